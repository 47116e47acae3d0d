package hosts

import (
	"net"
	"os"
	"strings"
	"time"

	"github.com/ldm-go/ldm/fault"
)

// Options say who takes part.
type Options struct {
	Addresses []string // HOST:PORT of every process; its place in the list is its rank
	Rank      int      // of this process, from 0
	Token     string   // the secret that all processes share; may be empty where all are on this machine
	// Wait is how long the processes wait for each other at the start; 0: 10 minutes.
	Wait time.Duration
	Line func(string) // told what happens, a line at a time; may be nil
}

// TokenVariable names the environment variable that commands take the token from.
const TokenVariable = "LDM_HOSTS_TOKEN"

// shortestToken is what cannot be guessed by trying: 16 characters.
const shortestToken = 16

// mostProcesses bounds the connections, of which every process has one to each other.
const mostProcesses = 256

// World is the number of processes: 1 without addresses.
func (o Options) World() int { return max(len(o.Addresses), 1) }

// Validate checks the options before anything is connected.
func (o Options) Validate() error {
	switch {
	case len(o.Addresses) == 0 && o.Rank == 0:
		return nil
	case len(o.Addresses) < 2:
		return fault.Inputf("%d hosts: want HOST:PORT of two processes or more", len(o.Addresses))
	case len(o.Addresses) > mostProcesses:
		return fault.Inputf("%d hosts: want at most %d", len(o.Addresses), mostProcesses)
	case o.Rank < 0 || o.Rank >= len(o.Addresses):
		return fault.Inputf("rank %d: want 0 to %d, the place of this process in the list of hosts", o.Rank, len(o.Addresses)-1)
	case o.Token != "" && len(o.Token) < shortestToken:
		return fault.Inputf("the token of the hosts has %d characters: want at least %d, as from openssl rand -hex 16", len(o.Token), shortestToken)
	}
	seen := map[string]bool{}
	for _, a := range o.Addresses {
		host, port, err := net.SplitHostPort(a)
		if err != nil || host == "" || port == "" || port == "0" {
			return fault.Inputf("host %q: want HOST:PORT", a)
		}
		if seen[a] {
			return fault.Inputf("host %s is there twice: processes on one machine want a port each", a)
		}
		seen[a] = true
		if o.Token == "" && !local(host) {
			return fault.Inputf("host %s is another machine: the processes want a secret in common, at least %d characters in %s or in a file (openssl rand -hex 16 makes one)", a, shortestToken, TokenVariable)
		}
	}
	return nil
}

// local tells whether a name is this machine's alone.
func local(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// ReadToken reads the secret from a file, or without one from the environment.
func ReadToken(path string) (string, error) {
	if path == "" {
		return os.Getenv(TokenVariable), nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fault.Inputf("the token of the hosts: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" {
		return "", fault.Inputf("the token of the hosts: %s is empty", path)
	}
	return token, nil
}
