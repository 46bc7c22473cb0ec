package tool

// stdoutClosed is 1 if there was no stdout when the process started. The runtime of Go opens
// /dev/null in the place of what is missing (runtime/fds_unix.go), before any code of ours: who
// closes stdout would be told that all was written. So start looks first, if the linker makes it
// the entry of the program, which the Makefile has it do:
//
//	-ldflags '-E cfs/lib/tool.start'
var stdoutClosed uint32

// start is in assembly, and called by nobody.
//
//lint:ignore U1000 the linker makes it the entry
func start()
