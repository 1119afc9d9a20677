// Package smtp proves edges of the contract smtp-v1 on any server that takes mail by SMTP, without a mail ever being sent. It
// imports internal/provision and a client of the protocol.
package smtp
