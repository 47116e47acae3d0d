package main

import (
	"io"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	cases := []string{"unets/a", "bad/b.ckpt"}
	const a = `{"Action":"output","Package":"p","Test":"T/a","Output":"    find.go:1: reference case unets/a\n"}` + "\n"
	const b = `{"Action":"output","Package":"p","Test":"U","Output":"    find.go:1: reference case bad/b.ckpt\n"}` + "\n"
	for _, test := range []struct {
		name, log string
		ok        bool
	}{
		{"both pass", a + b + `{"Action":"pass","Package":"p","Test":"T/a"}` + "\n" + `{"Action":"pass","Package":"p","Test":"U"}`, true},
		{"one is not read", a + `{"Action":"pass","Package":"p","Test":"T/a"}`, false},
		{"one is skipped after reading", a + b + `{"Action":"skip","Package":"p","Test":"T/a"}` + "\n" + `{"Action":"pass","Package":"p","Test":"U"}`, false},
		{"one is skipped elsewhere", a + b + `{"Action":"pass","Package":"p","Test":"T/a"}` + "\n" + `{"Action":"pass","Package":"p","Test":"U"}` + "\n" +
			`{"Action":"skip","Package":"q","Test":"V/a"}`, false},
		{"one fails", a + b + `{"Action":"fail","Package":"p","Test":"T/a"}` + "\n" + `{"Action":"pass","Package":"p","Test":"U"}`, false},
	} {
		if err := check(strings.NewReader(test.log), io.Discard, cases); (err == nil) != test.ok {
			t.Errorf("%s: error %v", test.name, err)
		}
	}
}
