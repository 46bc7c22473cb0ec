package registrytest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TokenServer gives tokens to who knows the password, as the registry's documentation
// has it (distribution/docs/spec/auth/token.md and jwt.md).
type TokenServer struct {
	*httptest.Server
	Given atomic.Int32 // tokens

	key   *ecdsa.PrivateKey
	chain []string // of certificates, as in a token's header
	t     testing.TB
}

// TokenService is what the token server gives tokens for.
const TokenService = "registry of a test"

const tokenIssuer = "token server of a test"

// lifetime is that of tokens, and what clients are told.
const lifetime = 5 * time.Minute

// leeway is for how long docker-registry takes a token that has expired:
// registry/auth/token/token.go, Leeway.
const leeway = time.Minute

// DebianTokens starts a docker-registry that wants tokens, and who gives them.
func DebianTokens(t testing.TB) (*Registry, *TokenServer) {
	t.Helper()
	a := NewAuthority(t)
	cert, key := a.Issue(t)
	s := &TokenServer{t: t, key: key, chain: []string{base64.StdEncoding.EncodeToString(cert.Raw)}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.give))
	t.Cleanup(s.Close)
	r := Debian(t, "", fmt.Sprintf("auth: {token: {realm: %s/token, service: %s, issuer: %s, rootcertbundle: %s/ca.crt}}", s.URL, TokenService, tokenIssuer, a.Dir))
	r.Password = Secret
	return r, s
}

// give answers a request for a token.
func (s *TokenServer) give(w http.ResponseWriter, r *http.Request) {
	name, password, ok := r.BasicAuth()
	if r.Method != http.MethodGet || r.FormValue("service") != TokenService {
		http.Error(w, "no such service", http.StatusBadRequest)
		return
	}
	if !ok || name != User || password != Secret {
		w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong user or password"}]}`, http.StatusUnauthorized)
		return
	}
	s.Given.Add(1)
	token := s.Token(r.URL.Query()["scope"], lifetime)
	json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": lifetime / time.Second})
}

// Token makes a token for scopes, "repository:NAME:ACTION,ACTION". Its life, from
// now, may be over: then it is less than 0.
func (s *TokenServer) Token(scopes []string, life time.Duration) string {
	type access struct {
		Type    string   `json:"type"`
		Name    string   `json:"name"`
		Actions []string `json:"actions"`
	}
	granted := []access{}
	for _, scope := range strings.Fields(strings.Join(scopes, " ")) {
		if part := strings.Split(scope, ":"); len(part) == 3 {
			granted = append(granted, access{part[0], part[1], strings.Split(part[2], ",")})
		}
	}
	now := time.Now()
	header := s.segment(map[string]any{"typ": "JWT", "alg": "ES256", "x5c": s.chain})
	claims := s.segment(map[string]any{
		"iss": tokenIssuer, "sub": User, "aud": TokenService, "access": granted, "jti": fmt.Sprint(now.UnixNano()),
		"iat": now.Add(-time.Hour).Unix(), "nbf": now.Add(-time.Hour).Unix(), "exp": now.Add(life - leeway).Unix(),
	})
	return header + "." + claims + "." + s.signature(header+"."+claims)
}

func (s *TokenServer) segment(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// signature is that of ES256: both numbers, 32 bytes each (RFC 7518, 3.4).
func (s *TokenServer) signature(text string) string {
	sum := sha256.Sum256([]byte(text))
	a, b, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		panic(err)
	}
	var both [64]byte
	a.FillBytes(both[:32])
	b.FillBytes(both[32:])
	return base64.RawURLEncoding.EncodeToString(both[:])
}
