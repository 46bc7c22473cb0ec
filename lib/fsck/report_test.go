package fsck_test

import (
	"strings"
	"testing"

	"cfs/lib/fsck"
	"cfs/lib/record"
)

func TestReport(t *testing.T) {
	whole := fsck.Report{Objects: fsck.Count{Good: 3, Total: 3}, Tags: fsck.Count{Good: 1, Total: 1}}
	old := fsck.Report{NoMeta: true}
	damaged := whole
	damaged.Tags.Good, damaged.Damaged = 0, []record.Text{"g", "\xff"}
	damaged.Objects.Good, damaged.Problems = 2, []fsck.Problem{{Category: "a", Path: "b/<c>", Detail: "d"}, {Category: "e", Path: "f", Detail: "g"}}
	for _, c := range []struct {
		fsck.Report
		text, json string
	}{
		{whole,
			"meta.json: ok\nobjects: 3/3 ok\nstreams: 0/0 ok\nimages: 0/0 ok\noci images: 1/1 ok\nstatus: ok\n",
			`{"v":2,"ok":true,"has_metadata":true,"objects_checked":3,"objects_corrupted":0,"streams_checked":0,"streams_corrupted":0,` +
				`"images_checked":0,"images_corrupted":0,"tags_checked":1,"tags_corrupted":0,"damaged":[],"problems":[],"errors":[]}` + "\n"},
		{damaged,
			"meta.json: ok\nobjects: 2/3 ok\nstreams: 0/0 ok\nimages: 0/0 ok\noci images: 0/1 ok\nstatus: 2 error(s)\n  - fsck: a: b/<c>: d\n  - fsck: e: f: g\n",
			`{"v":2,"ok":false,"has_metadata":true,"objects_checked":3,"objects_corrupted":1,"streams_checked":0,"streams_corrupted":0,` +
				`"images_checked":0,"images_corrupted":0,"tags_checked":1,"tags_corrupted":1,"damaged":["g",{"bytes":"/w=="}],` +
				`"problems":[{"category":"a","path":"b/<c>","detail":"d"},{"category":"e","path":"f","detail":"g"}],` +
				`"errors":["fsck: a: b/<c>: d","fsck: e: f: g"]}` + "\n"},
		{old,
			"meta.json: absent\nobjects: 0/0 ok\nstreams: 0/0 ok\nimages: 0/0 ok\noci images: 0/0 ok\nstatus: ok\n",
			`{"v":2,"ok":true,"has_metadata":false,"objects_checked":0,"objects_corrupted":0,"streams_checked":0,"streams_corrupted":0,` +
				`"images_checked":0,"images_corrupted":0,"tags_checked":0,"tags_corrupted":0,"damaged":[],"problems":[],"errors":[]}` + "\n"},
	} {
		var text, json strings.Builder
		if err := c.WriteText(&text); err != nil || text.String() != c.text {
			t.Errorf("%q, want %q, error %v", text.String(), c.text, err)
		}
		if err := c.WriteJSON(&json); err != nil || json.String() != c.json {
			t.Errorf("%q, want %q, error %v", json.String(), c.json, err)
		}
	}
}
