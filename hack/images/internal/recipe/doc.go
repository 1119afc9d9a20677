// Package recipe says what every image consists of, as plain data: the steps that make its layers and the
// configuration it starts with. Equal data gives an equal key, and that is what the cache goes by.
//
// It may import the embedded sources of the images and the standard library; it does no I/O.
package recipe
