package record

// File describes a file in a list of an image or of a layer, as a JSON object. What a file does not
// have is left out.
type File struct {
	Version int    `json:"v"`
	Path    Text   `json:"path"`
	Mode    string `json:"mode"` // as package fs writes it
	UID     uint32 `json:"uid"`
	GID     uint32 `json:"gid"`
	Size    uint64 `json:"size"`
	Mtime   string `json:"mtime"`            // of RFC 3339
	Link    Text   `json:"link,omitempty"`   // the path that a hard link is another name of
	Target  Text   `json:"target,omitempty"` // of a symbolic link
	Object  string `json:"object,omitempty"` // the content of a regular file, unless it is inline
}
