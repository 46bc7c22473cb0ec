package tool

// stdoutClosed is 1 if there was no stdout when the process started. The runtime of Go opens
// /dev/null in place of a closed descriptor (runtime/fds_unix.go) before any code of ours runs, so
// a caller that closes stdout would be told that everything was written. Therefore start looks
// first, if the linker makes it the entry of the program, as the Makefile does for the
// architectures that have one:
//
//	-ldflags '-E cfs/lib/tool.start'
var stdoutClosed uint32
