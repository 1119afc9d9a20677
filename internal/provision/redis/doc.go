// Package redis proves edges of the contract redis-v1 on any server that speaks the protocol of Redis 6 or later. It
// imports internal/provision and a driver.
package redis
