package imagetest

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// UKI returns a unified kernel image with a kernel command line, as the vectors have
// it: a Portable Executable whose sections are aligned to 512 bytes.
func UKI(cmdline string) string {
	sections := [][2]string{
		{".osrel", "ID=test\nPRETTY_NAME=\"Test OS\"\nVERSION_ID=1.0\n"}, {".cmdline", cmdline}, {".uname", "6.1.0"},
		{".linux", "fake-kernel-6.1.0"}, {".initrd", "fake-initramfs-6.1.0"},
	}
	const start, optional = 0x40, 240 // of the PE header, and the size of the optional one
	le := binary.LittleEndian
	head := append([]byte("MZ"), make([]byte, start-2)...)
	le.PutUint32(head[0x3c:], start)
	head = append(head, "PE\x00\x00\x64\x86"...)
	head = le.AppendUint16(head, uint16(len(sections)))
	head = append(head, make([]byte, 12)...)
	head = le.AppendUint16(head, optional)
	head = le.AppendUint16(head, 0x0202) // executable, no debug information
	head = append(head, make([]byte, optional)...)
	at, address := align(len(head)+40*len(sections), 512), 0x1000
	var body bytes.Buffer
	for _, s := range sections {
		name, content := s[0], s[1]
		raw := align(len(content), 512)
		head = append(head, (name + strings.Repeat("\x00", 8))[:8]...)
		for _, field := range []int{len(content), address, raw, at + body.Len(), 0, 0, 0, 0x40000040} {
			head = le.AppendUint32(head, uint32(field))
		}
		body.WriteString(content)
		body.Write(make([]byte, raw-len(content)))
		address += align(raw, 0x1000)
	}
	return string(append(head, make([]byte, at-len(head))...)) + body.String()
}

// align rounds up.
func align(n, to int) int { return (n + to - 1) / to * to }

// FirstBoot is the digest of the boot image of BootableLayers(t, 1, ""), in format 1
// by SHA-512: what the reference computes.
const FirstBoot = "c8cc682ae9647caacdf169fbe43ada9568264909a78f30f3bcf05861701b2e6cc6b05d00f2d395506b9238396e57ead4f5a6ee6ba92602e3fa50949b425dc2cd"
