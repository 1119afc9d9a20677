// Package pki makes the certificates and kubeconfigs of the development cluster. They live as long as the cluster's folder.
package pki
