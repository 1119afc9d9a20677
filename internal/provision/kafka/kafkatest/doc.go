// Package kafkatest gives tests a real Kafka broker on the loopback interface. It is for tests only and imports the standard
// library and internal/provision/servertest.
//
// The programs are where KAFKA_HOME says; home.sh, beside this file, gets them and prints the place.
package kafkatest
