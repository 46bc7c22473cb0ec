// Package pull implements the stages of the pipe and the records that an image passes through.
//
// It has a type for each kind of record: Layer, Config, ErofsImage, Manifest and others, with a
// Blob for what they have in common. A record that is read and printed unchanged stays the same,
// byte for byte: unknown keys keep their places, and unknown kinds pass through. Package record
// defines the syntax of the lines.
//
// Incoming gathers the records of an image up to its manifest. Importer, Maker and Linker are
// stages: a command passes them each record, then the end of the input. They do not trust
// records. What their own records state is true, and would survive a crash.
//
// How a stage is invoked, what it prints for people, and how it exits is up to the commands.
package pull
