// Package himtest gives tests a real OpenHIM core on the loopback interface, with a certificate of its own authority. Its
// database is a stand-in: a library that speaks MongoDB's protocol and keeps everything in memory. It is for tests only.
//
// Both are where OPENHIM_HOME says; home.sh, beside this file, gets them and prints the place.
package himtest
