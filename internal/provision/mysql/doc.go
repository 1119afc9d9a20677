// Package mysql proves edges of the contract mysql-v1 on MySQL and MariaDB. It imports internal/provision and a driver.
package mysql
