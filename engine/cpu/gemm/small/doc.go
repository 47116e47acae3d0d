// Package small computes the products inside of attention, of matrices that one worker has in
// its caches, and the attention of 32 queries as one kernel (attend.go).
package small
