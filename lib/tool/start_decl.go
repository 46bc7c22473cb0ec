//go:build amd64 || arm64

package tool

// start is in assembly, and called by nobody.
//
//lint:ignore U1000 the linker makes it the entry
func start()
