package boot

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"cfs/lib/verity"
)

// CheckArgument returns why a text cannot be added to a kernel command line as one
// argument, nil if it can. The argument that names the image is not for users to set.
func CheckArgument(arg string) error {
	switch words := splitCmdline(arg); {
	case arg == "":
		return errors.New("is empty")
	case !utf8.ValidString(arg) || strings.ContainsFunc(arg, isControl):
		return errors.New("contains control characters, or is not UTF-8")
	case strings.Count(arg, `"`)%2 != 0:
		return errors.New("has an unterminated quote")
	case len(words) != 1 || words[0] != arg:
		return errors.New("is not one argument: white space must be in double quotes")
	}
	switch key := argumentKey(strings.ReplaceAll(arg, `"`, "")); {
	case key == "composefs", key == legacyKey, strings.HasPrefix(key, "composefs."):
		return errors.New("would name another image: the argument of the boot image is always set")
	}
	return nil
}

func isControl(c rune) bool { return c < 0x20 || 0x7f <= c && c < 0xa0 }

// SetArguments returns a kernel command line that boots the image which karg names: karg is
// first, and the only one of its kind. Each argument replaces those with the same key, or is
// appended; ro and rw replace each other.
func SetArguments(cmdline, karg string, args []string) string {
	words := slices.DeleteFunc(splitCmdline(cmdline), isKarg)
	for _, arg := range args {
		words = setArgument(words, arg)
	}
	return strings.Join(append([]string{karg}, words...), " ")
}

func isKarg(word string) bool {
	return strings.HasPrefix(word, digestKey) || strings.HasPrefix(word, legacyKey)
}

func setArgument(words []string, arg string) []string {
	same := func(word string) bool { return argumentKey(word) == argumentKey(arg) }
	at := slices.IndexFunc(words, same)
	if at < 0 {
		return append(words, arg)
	}
	words[at] = arg
	return append(words[:at+1], slices.DeleteFunc(words[at+1:], same)...)
}

// argumentKey returns the text of an argument to its first equals sign, or all of it.
func argumentKey(arg string) string {
	if key, _, ok := strings.Cut(arg, "="); ok {
		return key + "="
	}
	if arg == "rw" {
		return "ro"
	}
	return arg
}

// Kargs returns all arguments of a kernel command line that name images by an algorithm, in
// order and in both spellings. The error is about the first that is malformed, and comes
// with the others.
func Kargs(cmdline string, a verity.Algorithm) (kargs []Karg, err error) {
	for _, word := range slices.DeleteFunc(splitCmdline(cmdline), func(w string) bool { return !isKarg(w) }) {
		k, wordErr := FindKarg(word, a)
		if err == nil {
			err = wordErr
		}
		if wordErr == nil && !k.ID.IsZero() {
			kargs = append(kargs, k)
		}
	}
	return kargs, err
}
