package machine

import "testing"

func TestMemory(t *testing.T) {
	if m := Memory(); m < smallest {
		t.Errorf("the machine has %d bytes", m)
	}
}

func TestMaxMemory(t *testing.T) {
	var m MaxMemory
	if got, want := m.Bytes(), Memory()/4*3; got < want-4 || got > want+4 {
		t.Errorf("default %d, want %d", got, want)
	}
	for text, want := range map[string]int64{"3GiB": 3 << 30, "2500MB": 2500e6, " 100% ": Memory(), "1.5 GiB": 3 << 29} {
		if err := m.UnmarshalText([]byte(text)); err != nil || m.Bytes() != want {
			t.Errorf("%s: %d, %v; want %d", text, m.Bytes(), err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "3", "0%", "101%", "NaN%", "99999999EB", "nan"} {
		if err := m.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted as %d", text, m)
		}
	}
}
