package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// parse reads a policy as strictly as others do: a key that is unknown or stands there twice
// makes all of it invalid, as does what is missing.
func (p *Policy) parse(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	err := object(d, func(key string) (err error) {
		switch key {
		case "default":
			p.general, err = requirements(d)
			return err
		case "transports":
			return object(d, func(transport string) error {
				scopes := map[string][]requirement{}
				p.transports[transport] = scopes
				return object(d, func(scope string) error {
					list, err := requirements(d)
					scopes[scope] = list
					return cmp.Or(err, checkScope(transport, scope))
				})
			})
		}
		return fmt.Errorf("the key %q is unknown", key)
	})
	if err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("data after its end")
	}
	if p.general == nil {
		return errors.New("it has no default")
	}
	return nil
}

// object reads an object, whose values are read by member. A key must not stand there twice.
func object(d *json.Decoder, member func(key string) error) error {
	if err := delim(d, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key := t.(string) // as the decoder sees to
		if seen[key] {
			return fmt.Errorf("the key %q occurs twice", key)
		}
		seen[key] = true
		if err := member(key); err != nil {
			return err
		}
	}
	return delim(d, '}')
}

func delim(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && t != want {
		err = fmt.Errorf("at byte %d is %v, want %v", d.InputOffset(), t, want)
	}
	return err
}

// requirements reads a list of requirements, which has at least one.
func requirements(d *json.Decoder) (list []requirement, err error) {
	if err := delim(d, '['); err != nil {
		return nil, err
	}
	for d.More() {
		r, err := readRequirement(d)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		return nil, errors.New("a list of requirements is empty")
	}
	return list, delim(d, ']')
}

// readRequirement reads the type of a requirement. What else those have that cannot be verified does not matter.
func readRequirement(d *json.Decoder) (r requirement, err error) {
	other := ""
	err = object(d, func(key string) error {
		if key == "type" {
			return d.Decode(&r)
		}
		other = key
		var ignored json.RawMessage
		return d.Decode(&ignored)
	})
	switch {
	case err != nil:
		return "", err
	case slices.Contains(unverifiable, r):
		return r, nil
	case r != accept && r != reject:
		return "", fmt.Errorf("a requirement has the type %q, which is unknown", r)
	case other != "":
		return "", fmt.Errorf("a requirement of the type %s has a key %q", r, other)
	}
	return r, nil
}
