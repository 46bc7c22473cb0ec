package main

import (
	"archive/tar"
	"bytes"
)

// member is one member of a layer's tar.
type member struct {
	name, content, link string
	mode                int64
	xattrs              map[string]string
}

// capability lets the file's program use raw sockets: struct vfs_cap_data of
// include/uapi/linux/capability.h, revision 2, permitted CAP_NET_RAW (13), effective.
const capability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// base is the first layer: directories, files below and above the 64 bytes from which
// on they become objects, links, and extended attributes that stay or go.
var base = []member{
	{name: "dev/", mode: 0o755},
	{name: "etc/", mode: 0o755},
	{name: "etc/hostname", mode: 0o644, content: "demo\n"},
	{name: "etc/os-release", link: "../usr/lib/os-release"},
	{name: "proc/", mode: 0o555},
	{name: "run/", mode: 0o755},
	{name: "run/lost", mode: 0o644, content: "An image keeps nothing below /run.\n"},
	{name: "sys/", mode: 0o555},
	{name: "tmp/", mode: 0o1777},
	{name: "usr/", mode: 0o755},
	{name: "usr/bin/", mode: 0o755},
	{name: "usr/bin/hello", mode: 0o755, content: hello, xattrs: map[string]string{
		"security.capability": capability,
		"user.origin":         "the demo", // not kept by default
	}},
	{name: "usr/bin/greet", link: "usr/bin/hello", mode: hard},
	{name: "usr/lib/", mode: 0o755},
	{name: "usr/lib/os-release", mode: 0o644, content: osRelease},
	{name: "usr/share/", mode: 0o755},
	{name: "usr/share/demo/", mode: 0o755},
	{name: "usr/share/demo/README", mode: 0o644, content: readme},
	{name: "usr/share/demo/draft", mode: 0o644, content: "The second layer removes this file, and with it this text, which is an object.\n"},
}

// update is the second layer: it removes a file, replaces one and adds one.
var update = []member{
	{name: "etc/hostname", mode: 0o644, content: "demo-two\n"},
	{name: "usr/share/demo/.wh.draft", mode: 0o644},
	{name: "usr/share/demo/NEWS", mode: 0o644, content: news},
}

// hard stands for the mode of a hard link, which has none of its own.
const hard = -1

const hello = `#!/bin/sh
# Says hello. Its other name, greet, is a hard link.
echo "Hello from a composefs image, by the name of ${0##*/}."
`

const osRelease = `NAME="composefs demo"
ID=cfs-demo
VERSION_ID=2
PRETTY_NAME="composefs demo image"
`

const readme = `This is the image that the demo pulls.

It was a manifest, a config and two compressed tars in an OCI image layout. In the
repository it is objects, one for each different file, named by their fs-verity
digest. Four splitstreams hold the tars, the config and the manifest, and one
EROFS image has all names and metadata. The kernel joins image and objects to the
file system in which you read this.
`

const news = `2: The second layer brought this file. It also removed "draft", and gave
   etc/hostname new content.
1: The first layer.
`

// archive returns the tar of a layer.
func archive(members []member) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := m.header()
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(m.content)); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

func (m member) header() *tar.Header {
	h := &tar.Header{Name: m.name, Linkname: m.link, Mode: m.mode, Size: int64(len(m.content)), ModTime: epoch, Typeflag: tar.TypeReg}
	switch {
	case m.mode == hard:
		h.Typeflag, h.Mode = tar.TypeLink, 0o755
	case m.link != "":
		h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
	case m.name[len(m.name)-1] == '/':
		h.Typeflag = tar.TypeDir
	}
	for name, value := range m.xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+name] = value
	}
	return h
}
