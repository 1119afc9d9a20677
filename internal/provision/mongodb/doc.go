// Package mongodb proves edges of the contract mongodb-v1 on any server that speaks the protocol of MongoDB 4.4 or later. It
// imports internal/provision and a driver.
package mongodb
