// Package pull is an image on its way through the pipe. It has a type for each kind of
// record: what the record says, and how it is printed again. It gathers the records of an
// image up to its manifest, and turns an image of the repository back into records.
//
// A record that is read and printed unchanged is the same, byte by byte: keys that nobody
// here knows stay, in their places, and so do kinds.
package pull
