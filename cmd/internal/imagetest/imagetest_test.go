package imagetest

import (
	"bytes"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestMake: a layout holds the layers that it is made of, in all three forms, and is the
// same each time.
func TestMake(t *testing.T) {
	layers := append(SmallLayers(t), NoiseLayers(t, 1, 100)...)
	dirs := []string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		Make(t, dir, layers...)
	}
	m := Manifest(t, dirs[0])
	if Top(t, dirs[0]).Digest != Top(t, dirs[1]).Digest {
		t.Error("two layouts of the same layers are not the same")
	}
	forms := []string{v1.MediaTypeImageLayerGzip, v1.MediaTypeImageLayerZstd, v1.MediaTypeImageLayer, v1.MediaTypeImageLayerGzip}
	if len(m.Layers) != len(forms) {
		t.Fatalf("%d layers, want %d", len(m.Layers), len(forms))
	}
	for i, l := range m.Layers {
		if l.MediaType != forms[i] || digest.FromBytes(Blob(t, dirs[0], l.Digest)) != l.Digest {
			t.Errorf("layer %d: %+v, want %s", i, l, forms[i])
		}
	}
	if plain := Blob(t, dirs[0], m.Layers[2].Digest); !bytes.Equal(plain, layers[2]) {
		t.Error("the layer that is not compressed is another one")
	}
	if !bytes.Contains(Blob(t, dirs[0], m.Config.Digest), []byte(digest.FromBytes(layers[3]))) {
		t.Error("the config does not have the diff ID of the last layer")
	}
}

// TestNames: a name in a layout belongs to what has got it last.
func TestNames(t *testing.T) {
	l := NewLayout(t, t.TempDir())
	one, two := l.Blob("x", []byte("one")), l.Blob("x", []byte("two"))
	l.Name("a", one)
	l.Name("b", one)
	l.Name("a", two)
	list := l.ReadIndex().Manifests
	if len(list) != 2 || list[0].Digest != one.Digest || list[1].Digest != two.Digest || list[1].Annotations[v1.AnnotationRefName] != "a" {
		t.Errorf("the layout has %+v", list)
	}
}

// TestContent: content has its size, depends on its seed, and nothing else.
func TestContent(t *testing.T) {
	for name, make := range map[string]func(uint64, int) string{"Text": Text, "Noise": Noise} {
		if a, b, c := make(1, 1000), make(1, 1000), make(2, 1000); len(a) != 1000 || a != b || a == c {
			t.Errorf("%s: %d bytes", name, len(a))
		}
	}
	if len(Gzip(t, []byte(Noise(1, 10_000)))) < 10_000 || len(Gzip(t, []byte(Text(1, 10_000)))) > 9_000 {
		t.Error("noise compresses, or text does not")
	}
}
