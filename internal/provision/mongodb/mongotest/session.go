package mongotest

import (
	"crypto/md5" //nolint:gosec // SCRAM-SHA-1 of MongoDB hashes passwords by it
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Of the wire protocol.
const (
	headerBytes = 16
	maxMessage  = 48 << 20
	opQuery     = 2004
	opMsg       = 2013
)

// Codes of MongoDB's errors.
const (
	unauthorized         = 13
	authenticationFailed = 18
)

var (
	// free are the commands that need no login.
	free = []string{"hello", "isMaster", "ismaster", "ping", "buildInfo", "buildinfo", "endSessions"}
	// reading are those that only need the right to read; every other needs the right to write.
	reading = []string{"find", "aggregate", "count", "distinct", "getMore", "listCollections"}
)

// session is one connection of a client and one to the store.
type session struct {
	server         *Server
	client, behind net.Conn
	conversation   *scram.ServerConversation
	username       string
	rights         map[string]Right
}

// answer lets one message through to the store and its answer back, or answers in the store's place.
func (s *session) answer() error {
	message, err := readMessage(s.client)
	if err != nil {
		return err
	}
	switch operation := binary.LittleEndian.Uint32(message[12:]); operation {
	case opQuery: // how drivers say hello to a server they do not know yet
		return s.pass(message)
	case opMsg:
	default:
		return fmt.Errorf("operation %d is not known here", operation)
	}
	document := bson.Raw(message[headerBytes+5:])
	elements, err := document.Elements()
	if err != nil || len(elements) == 0 {
		return errors.Join(errors.New("the command cannot be read"), err)
	}
	command := elements[0].Key()
	database, _ := document.Lookup("$db").StringValueOK()
	switch {
	case command == "saslStart" || command == "saslContinue":
		return s.reply(message, s.authenticate(command, database, document))
	case slices.Contains(free, command):
		return s.pass(message)
	case s.username == "":
		return s.reply(message, refusal(unauthorized, "Unauthorized", "command "+command+" requires authentication"))
	case command == "listDatabases" && s.rights[AnyDatabase] == 0:
		return s.reply(message, s.databases())
	case !s.may(command, database):
		return s.reply(message, refusal(unauthorized, "Unauthorized", fmt.Sprintf("not authorized on %s to execute command %s", database, command)))
	}
	return s.pass(message)
}

func (s *session) may(command, database string) bool {
	needed := ReadWrite
	if slices.Contains(reading, command) {
		needed = Read
	}
	return s.rights[database] >= needed || s.rights[AnyDatabase] >= needed || command == "listDatabases"
}

func (s *session) databases() bson.D {
	list := bson.A{}
	for _, name := range slices.Sorted(maps.Keys(s.rights)) {
		list = append(list, bson.D{{Key: "name", Value: name}})
	}
	return bson.D{{Key: "databases", Value: list}, {Key: "ok", Value: 1.0}}
}

func refusal(code int32, name, says string) bson.D {
	return bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: says}, {Key: "code", Value: code}, {Key: "codeName", Value: name}}
}

func (s *session) authenticate(command, source string, document bson.Raw) bson.D {
	failed := refusal(authenticationFailed, "AuthenticationFailed", "Authentication failed.")
	if command == "saslStart" {
		server, err := scram.SHA1.NewServer(func(username string) (scram.StoredCredentials, error) { return s.credentials(source, username) })
		if err != nil {
			return failed
		}
		s.conversation = server.NewConversation()
	}
	_, payload, ok := document.Lookup("payload").BinaryOK()
	if !ok || s.conversation == nil {
		return failed
	}
	said, err := s.conversation.Step(string(payload))
	if err != nil {
		return failed
	}
	if s.conversation.Done() {
		login, _ := s.server.login(s.conversation.Username())
		s.username, s.rights = s.conversation.Username(), login.Rights
	}
	return bson.D{
		{Key: "conversationId", Value: int32(1)}, {Key: "done", Value: s.conversation.Done()},
		{Key: "payload", Value: bson.Binary{Data: []byte(said)}}, {Key: "ok", Value: 1.0},
	}
}

func (s *session) credentials(source, username string) (scram.StoredCredentials, error) {
	login, known := s.server.login(username)
	if !known || login.Source != source {
		return scram.StoredCredentials{}, errors.New("no such login")
	}
	digest := md5.Sum([]byte(username + ":mongo:" + login.Password)) //nolint:gosec // as above
	client, err := scram.SHA1.NewClientUnprepped(username, hex.EncodeToString(digest[:]), "")
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt of one test", Iters: 10000})
}

func (s *session) pass(message []byte) error {
	if _, err := s.behind.Write(message); err != nil {
		return err
	}
	answer, err := readMessage(s.behind)
	if err != nil {
		return err
	}
	_, err = s.client.Write(answer)
	return err
}

// reply answers a message in the store's place.
func (s *session) reply(message []byte, document bson.D) error {
	body, err := bson.Marshal(document)
	if err != nil {
		return err
	}
	answer := make([]byte, headerBytes+5, headerBytes+5+len(body))
	binary.LittleEndian.PutUint32(answer, uint32(cap(answer))) //nolint:gosec // as small as what tests send
	copy(answer[8:], message[4:8])
	binary.LittleEndian.PutUint32(answer[12:], opMsg)
	_, err = s.client.Write(append(answer, body...))
	return err
}

func readMessage(from io.Reader) ([]byte, error) {
	header := make([]byte, headerBytes)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header)
	if length < headerBytes+5 || length > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes is not taken", length)
	}
	message := make([]byte, length)
	copy(message, header)
	_, err := io.ReadFull(from, message[headerBytes:])
	return message, err
}
