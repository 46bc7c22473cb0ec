package dumpfile

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"cfs/lib/verity"
)

// bigDump is the dumpfile of a made-up file system of about 100,000
// names: directories, inline files, objects, symbolic and hard links, labels.
func bigDump() []byte {
	var b bytes.Buffer
	const label = "security.selinux=system_u:object_r:usr_t:s0"
	fmt.Fprintf(&b, "/ 0 40755 22 0 0 0 1700000000.0 - - - %s\n", label)
	for i := range 20 {
		fmt.Fprintf(&b, "/usr-%02d 0 40755 252 0 0 0 1700000000.0 - - - %s\n", i, label)
		for j := range 250 {
			dir := fmt.Sprintf("/usr-%02d/dir-%03d", i, j)
			fmt.Fprintf(&b, "%s 0 40755 2 0 0 0 1700000000.0 - - - %s\n", dir, label)
			for k := range 16 {
				id := verity.SHA512.Sum([]byte{byte(i), byte(j), byte(k)})
				fmt.Fprintf(&b, "%s/file-%02d 123456 100644 1 0 0 0 1700000000.0 %s - %s %s\n", dir, k, id.ObjectPath(), id, label)
			}
			fmt.Fprintf(&b, "%s/hard 12 100755 2 0 0 0 1700000000.0 - hello\\x20world\\n - %s\n", dir, label)
			fmt.Fprintf(&b, "%s/link 0 @120000 - - - - 0.0 %s/hard - -\n", dir, dir)
			fmt.Fprintf(&b, "%s/sym 10 120777 1 0 0 0 1700000000.0 ../file-01 - - %s\n", dir, label)
		}
	}
	return b.Bytes()
}

func BenchmarkRead(b *testing.B) {
	dump := bigDump()
	b.SetBytes(int64(len(dump)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(bytes.NewReader(dump), Options{}); err != nil {
			b.Fatal(err)
		}
	}
	lines := bytes.Count(dump, []byte{'\n'})
	b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkWrite(b *testing.B) {
	dump := bigDump()
	root, err := Read(bytes.NewReader(dump), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(dump)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Write(io.Discard, root); err != nil {
			b.Fatal(err)
		}
	}
	lines := bytes.Count(dump, []byte{'\n'})
	b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
