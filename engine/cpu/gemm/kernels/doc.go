// Package kernels has the inner loops of products and convolutions: every assembly
// file, its twin in plain Go, and the structs of arguments that both take.
//
// A Kernel computes tiles of results in float32 registers, for AVX-512, AVX2 or in
// plain Go; Tiles multiply 32x32 results of bfloat16, for AMX, AVX-512 BF16 or in plain
// Go. For and TilesFor give the set of an instruction set. A file of assembly is named
// after what it computes and the instructions that it needs.
package kernels
