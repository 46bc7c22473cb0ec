//go:build !amd64 || purego

package lanes

func engines() []engine { return nil }

func (e engine) together(dst []byte, messages [][]byte) []byte { return e.sum512(dst, messages) }
