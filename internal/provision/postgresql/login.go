package postgresql

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// errInsecure is matched by errors of servers that do not log in by SCRAM although nobody vouches for them.
var errInsecure = errors.New("the server does not log in by SCRAM-SHA-256, and there is no " + caKey + " to know it by")

const (
	// passwordMessage is the type of every message that answers a server's request for a password.
	passwordMessage = 'p'
	messageHeader   = 5
)

// scramStart is what such a message begins with, after its header, when it begins a login by SCRAM.
var scramStart = []byte("SCRAM-SHA-256\x00")

// scramOnly passes messages on to a server, and a login only by SCRAM. The driver sees to the rest of that login.
type scramOnly struct {
	server io.Writer
	begun  bool
}

// Write implements io.Writer; the driver hands over messages of a login one by one.
func (s *scramOnly) Write(message []byte) (int, error) {
	if !s.begun && len(message) >= messageHeader && message[0] == passwordMessage {
		if !bytes.HasPrefix(message[messageHeader:], scramStart) {
			return 0, errInsecure
		}
		s.begun = true
	}
	return s.server.Write(message)
}

// requireSCRAM refuses to log in any other way, as libpq's require_auth=scram-sha-256 does. By SCRAM the server learns no
// password and shows that it knows it; encryption without a known authority would prove nothing.
func requireSCRAM(config *pgx.ConnConfig) {
	var login *scramOnly
	build := config.BuildFrontend
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		login = &scramOnly{server: w}
		return build(r, login)
	}
	config.ValidateConnect = func(context.Context, *pgconn.PgConn) error {
		if !login.begun {
			return errInsecure
		}
		return nil
	}
}
