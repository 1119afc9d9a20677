// Package s3test gives tests a real S3 server, versitygw on a directory, on the loopback interface. It is for tests only.
//
// The program is where VERSITYGW_HOME says; home.sh, beside this file, gets it and prints the place.
package s3test
