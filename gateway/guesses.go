package gateway

import (
	"math"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
)

const (
	// guessesASecond is how many guesses of a token that does not look random are looked at a second, of all addresses that
	// are limited together.
	guessesASecond = 5
	// randomBits is how many bits a token has that looks random, by bitsOf: tokens of 16 random bytes and more have them,
	// as hexadecimal digits, base 32 or base 64.
	randomBits = 90
)

// guesses bounds how often the token of the configuration can be guessed, which is of the operator's choice. One that looks
// random is not bounded: nobody guesses it, and its bearer is then never refused for what others at the same address do.
type guesses struct {
	easy bool

	mu     sync.Mutex
	second int64
	taken  int
}

func newGuesses(token ashby.Secret) *guesses {
	return &guesses{easy: bitsOf(token.Reveal()) < randomBits}
}

// take says whether another guess may be looked at, and counts it.
func (g *guesses) take(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if second := now.Unix(); second != g.second {
		g.second, g.taken = second, 0
	}
	if g.taken >= guessesASecond {
		return false
	}
	g.taken++
	return true
}

// bitsOf estimates how many bits a text would have if its characters were chosen at random among those that are in it.
func bitsOf(text string) float64 {
	chosen := make(map[rune]struct{})
	length := 0
	for _, r := range text {
		chosen[r] = struct{}{}
		length++
	}
	return float64(length) * math.Log2(math.Max(1, float64(len(chosen))))
}
