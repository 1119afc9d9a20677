// Package s3 proves edges of the contract s3-bucket-v1 on any store that speaks the protocol of S3. It imports
// internal/provision and a client of the protocol.
package s3
