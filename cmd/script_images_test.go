package cmd

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/cmd/internal/imagetest"
)

// mktar makes a tar of a folder, whose own entry stays out. All of it belongs to
// root, is as old as 1970, and has usual modes.
func mktar(s *script, neg bool, args []string) {
	wantArgs(s, neg, args, 2, "mktar FILE DIR")
	data, err := tarOf(s.MkAbs(args[1]))
	s.Check(err)
	s.Check(os.WriteFile(s.MkAbs(args[0]), data, 0o644))
}

func tarOf(dir string) ([]byte, error) {
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		h := tar.Header{Typeflag: tar.TypeReg, Mode: 0o644}
		if h.Name, err = filepath.Rel(dir, path); err != nil {
			return err
		}
		var content []byte
		switch d.Type() {
		case fs.ModeDir:
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
			h.Name += "/"
		case fs.ModeSymlink:
			h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
			h.Linkname, err = os.Readlink(path)
		default:
			content, err = os.ReadFile(path)
		}
		if err != nil {
			return err
		}
		h.Size = int64(len(content))
		if err := out.WriteHeader(&h); err != nil {
			return err
		}
		_, err = out.Write(content)
		return err
	})
	err = errors.Join(err, out.Close())
	return b.Bytes(), err
}

// imageFlags are what mkimage can be told of an image.
type imageFlags struct {
	artifact, platform, config, diffID, layerType string
	docker                                        bool
}

// mkimage adds an image of tars, or an artifact of files, to a layout. FILE.gz is
// what is in FILE, compressed by gzip, and FILE.zst by zstd.
func mkimage(s *script, neg bool, args []string) {
	const usage = "mkimage [-artifact TYPE] [-platform OS/ARCH] [-config FILE] [-diff-id DIGEST] [-layer-type TYPE] [-docker] DIR:REF [FILE]..."
	var f imageFlags
	set := flag.NewFlagSet("mkimage", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&f.artifact, "artifact", "", "artifact type")
	set.StringVar(&f.platform, "platform", "linux/"+runtime.GOARCH, "in the config, and in the index")
	set.StringVar(&f.config, "config", "", "file that is the config")
	set.StringVar(&f.diffID, "diff-id", "", "digest that all layers are said to have")
	set.StringVar(&f.layerType, "layer-type", "", "media type of all layers")
	set.BoolVar(&f.docker, "docker", false, "with Docker's media types")
	wantArgs(s, neg || set.Parse(args) != nil, set.Args(), 1, usage)
	l, ref := layoutOf(s, set.Arg(0))
	m := f.manifest(s, l, set.Args()[1:])
	d := l.JSON(m.MediaType, m)
	if os, arch, ok := strings.Cut(f.platform, "/"); ok && f.artifact == "" {
		d.Platform = &v1.Platform{OS: os, Architecture: arch}
	}
	l.Name(ref, d)
}

// manifest writes layers and config of an image.
func (f imageFlags) manifest(s *script, l imagetest.Layout, files []string) v1.Manifest {
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: f.artifact}
	if f.docker {
		m.MediaType = "application/vnd.docker.distribution.manifest.v2+json"
	}
	m.Layers = []v1.Descriptor{}
	t := s.Value(testKey{}).(testing.TB)
	var diffIDs []digest.Digest
	for _, file := range files {
		data := []byte(s.ReadFile(strings.TrimSuffix(strings.TrimSuffix(file, ".gz"), ".zst")))
		diffIDs = append(diffIDs, digest.FromBytes(data))
		if f.diffID != "" {
			diffIDs[len(diffIDs)-1] = digest.Digest(f.diffID)
		}
		mediaType := v1.MediaTypeImageLayer
		switch filepath.Ext(file) {
		case ".gz":
			mediaType, data = v1.MediaTypeImageLayerGzip, imagetest.Gzip(t, data)
		case ".zst":
			mediaType, data = v1.MediaTypeImageLayerZstd, imagetest.Zstd(t, data)
		}
		m.Layers = append(m.Layers, l.Blob(f.typeOf(mediaType), data))
	}
	m.Config = f.makeConfig(s, l, diffIDs)
	return m
}

// typeOf returns the media type of a layer that would usually have the one given.
func (f imageFlags) typeOf(usual string) string {
	switch {
	case f.layerType != "":
		return f.layerType
	case f.artifact != "":
		return "application/octet-stream"
	case f.docker:
		_, compression, _ := strings.Cut(usual, "+")
		return strings.TrimSuffix("application/vnd.docker.image.rootfs.diff.tar."+compression, ".")
	}
	return usual
}

func (f imageFlags) makeConfig(s *script, l imagetest.Layout, diffIDs []digest.Digest) v1.Descriptor {
	mediaType := v1.MediaTypeImageConfig
	if f.docker {
		mediaType = "application/vnd.docker.container.image.v1+json"
	}
	switch {
	case f.config != "":
		return l.Blob(mediaType, []byte(s.ReadFile(f.config)))
	case f.artifact != "":
		return l.Blob(v1.MediaTypeEmptyJSON, []byte("{}"))
	}
	config := v1.Image{RootFS: v1.RootFS{Type: "layers", DiffIDs: append([]digest.Digest{}, diffIDs...)}}
	config.OS, config.Architecture, _ = strings.Cut(f.platform, "/")
	return l.JSON(mediaType, config)
}

// mkindex adds an index to a layout, of images that have names there.
func mkindex(s *script, neg bool, args []string) {
	wantArgs(s, neg, args, 2, "mkindex DIR:REF REF...")
	l, ref := layoutOf(s, args[0])
	var images []v1.Descriptor
	for _, d := range l.ReadIndex().Manifests {
		if slices.Contains(args[1:], d.Annotations[v1.AnnotationRefName]) {
			d.Annotations = nil
			images = append(images, d)
		}
	}
	l.Name(ref, l.Index(images...))
}

func layoutOf(s *script, where string) (imagetest.Layout, string) {
	dir, ref, ok := strings.Cut(where, ":")
	if !ok {
		s.Fatalf("%q is no DIR:REF", where)
	}
	return imagetest.NewLayout(s.Value(testKey{}).(testing.TB), s.MkAbs(dir)), ref
}
