package missing

import "github.com/xrash/smetrics"

// alike is how near two words are that one may be typed for the other, from 0 to 1 by Jaro and
// Winkler, with the weights that are usual.
const alike = 0.8

// Nearest returns which of some words, such as tags, another one may be meant to be, "" if none.
func Nearest(word string, words []string) (best string) {
	most := alike
	for _, w := range words {
		if score := smetrics.JaroWinkler(word, w, 0.7, 4); score > most {
			best, most = w, score
		}
	}
	return best
}
