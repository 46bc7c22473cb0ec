// Package pull is an image on its way through the pipe. It has a type for each kind of
// record, and the stages that read and write them.
//
// A record says what is stored where. A type of this package holds what it says: Layer,
// Config, ErofsImage, Manifest and others; what they have in common is a Blob. A record
// that is read and printed unchanged is the same, byte by byte: keys that nobody here
// knows stay, in their places, and kinds that nobody knows pass through. The grammar of
// the lines is package record's.
//
// Incoming gathers the records of an image up to its manifest. Importer, Maker and Linker are
// stages: a command hands them each record, then the end of the input. They believe no
// record. What they write holds, and would survive a crash.
//
// How a stage is called, what it prints for people, and how it exits is no concern of
// this package.
package pull
