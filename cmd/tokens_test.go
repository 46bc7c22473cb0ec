package cmd

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

// tokenServer gives tokens to who knows the password, as the registry's documentation
// has it (distribution/docs/spec/auth/token.md and jwt.md).
type tokenServer struct {
	*httptest.Server
	lifetime time.Duration // of a token; clients are told five minutes
	given    atomic.Int32  // tokens

	key   *ecdsa.PrivateKey
	chain []string // of certificates, as in a token's header
	t     testing.TB
}

const tokenService, tokenIssuer = "registry of a test", "token server of a test"

// leeway is for how long docker-registry takes a token that has expired:
// registry/auth/token/token.go, Leeway.
const leeway = time.Minute

// debianTokens starts a docker-registry that wants tokens, and who gives them.
func debianTokens(t testing.TB) (*registry, *tokenServer) {
	t.Helper()
	a := newAuthority(t)
	cert, key := a.issue(t)
	s := &tokenServer{t: t, key: key, lifetime: 5 * time.Minute, chain: []string{base64.StdEncoding.EncodeToString(cert.Raw)}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.give))
	t.Cleanup(s.Close)
	r := debian(t, "", fmt.Sprintf("auth: {token: {realm: %s/token, service: %s, issuer: %s, rootcertbundle: %s/ca.crt}}", s.URL, tokenService, tokenIssuer, a.dir))
	r.password = secret
	return r, s
}

// give answers a request for a token.
func (s *tokenServer) give(w http.ResponseWriter, r *http.Request) {
	name, password, ok := r.BasicAuth()
	if r.Method != http.MethodGet || r.FormValue("service") != tokenService {
		http.Error(w, "no such service", http.StatusBadRequest)
		return
	}
	if !ok || name != userName || password != secret {
		w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong user or password"}]}`, http.StatusUnauthorized)
		return
	}
	s.given.Add(1)
	token := s.token(r.URL.Query()["scope"])
	json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": 300})
}

// token makes a token for scopes, "repository:NAME:ACTION,ACTION".
func (s *tokenServer) token(scopes []string) string {
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
		"iss": tokenIssuer, "sub": userName, "aud": tokenService, "access": granted, "jti": fmt.Sprint(now.UnixNano()),
		"iat": now.Add(-time.Hour).Unix(), "nbf": now.Add(-time.Hour).Unix(), "exp": now.Add(s.lifetime - leeway).Unix(),
	})
	return header + "." + claims + "." + s.signature(header+"."+claims)
}

func (s *tokenServer) segment(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// signature is that of ES256: both numbers, 32 bytes each (RFC 7518, 3.4).
func (s *tokenServer) signature(text string) string {
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
