// Package architecture holds the tests that keep the packages on the floors of
// ARCHITECTURE.md.
package architecture
