// Package mongotest gives tests a stand-in for MongoDB on the loopback interface: MongoDB itself is in no package registry. A
// library that speaks its protocol keeps the documents in memory, and a guard in front of it knows logins (SCRAM-SHA-1) and
// rights by database, and answers with MongoDB's own codes. It is for tests only.
package mongotest
