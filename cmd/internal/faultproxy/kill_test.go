package faultproxy

import (
	"io"
	"net"
	"testing"
)

// TestUnread: what a reader has not read of a connection is known.
func TestUnread(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reader, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	writer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for _, step := range []struct{ write, read, want int }{{5000, 0, 5000}, {0, 2000, 3000}, {0, 3000, 0}} {
		if _, err := writer.Write(make([]byte, step.write)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(reader, make([]byte, step.read)); err != nil {
			t.Fatal(err)
		}
		// What has arrived is known a moment later.
		wait(func() bool {
			n, err := unread(writer)
			return err != nil || n == int64(step.want)
		})
		if n, err := unread(writer); err != nil || n != int64(step.want) {
			t.Errorf("after %+v: %d, %v", step, n, err)
		}
	}
}
