package tool

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
)

// ProgressFlag chooses how a command says how far it is.
func ProgressFlag() cli.Flag {
	return &cli.StringFlag{Name: "progress", Value: "auto", Usage: "say on stderr what is done as `P`: plain lines, json lines or none; auto is plain, but bars for downloads on a terminal",
		Action: func(c *cli.Context, p string) error {
			switch p {
			case "auto", "plain", "json", "none":
				return nil
			}
			return Fail(c, Records(c), UsageError("--progress %q: want auto, plain, json or none", p))
		}}
}

// Event is one thing that was done.
type Event struct {
	Kind    string `json:"kind"`   // of the record it is about
	Digest  string `json:"digest"` // of it
	Message string `json:"message"`
	Bytes   int64  `json:"bytes,omitempty"` // that a transfer has got
}

// Progress tells people what was done.
func Progress(c *cli.Context, e Event) {
	switch c.String("progress") {
	case "auto", "plain":
		fmt.Fprintf(os.Stderr, "%s: %s %s: %s\n", c.App.Name, e.Kind, e.Digest, e.Message)
	case "json":
		line, err := json.Marshal(e)
		if err != nil {
			panic(err) // strings can be marshalled
		}
		fmt.Fprintf(os.Stderr, "%s\n", line)
	}
}
