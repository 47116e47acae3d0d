package container

// GIFHead is where the blocks of a GIF begin, behind its header and the colours that all
// frames share; the length of raw if that is shorter.
func GIFHead(raw []byte) int {
	const header = 13
	if len(raw) < header {
		return len(raw)
	}
	return min(header+colours(raw[10]), len(raw))
}

// colours is the length of a table of colours, by the byte that says so.
func colours(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

// GIFComments lists the comments of a GIF, as far as it is sound and they are no longer than
// most bytes.
func GIFComments(raw []byte, most int) (list [][]byte) {
	at := GIFHead(raw)
	// data reads blocks of at most 255 bytes up to an empty one.
	data := func(keep bool) (all []byte) {
		for at < len(raw) {
			n := int(raw[at])
			if at++; n == 0 {
				break
			}
			if n = min(n, len(raw)-at); keep && len(all) <= most {
				all = append(all, raw[at:at+n]...)
			}
			at += n
		}
		return all
	}
	for at+2 <= len(raw) && len(list) < maxChunks {
		switch raw[at] {
		case 0x21: // an extension
			comment := raw[at+1] == 0xfe
			at += 2
			if text := data(comment); comment && len(text) <= most {
				list = append(list, text)
			}
		case 0x2c: // a frame: where it lies, its colours, and the length of the first code
			if at+10 > len(raw) {
				return list
			}
			at += 10 + colours(raw[at+9]) + 1
			data(false)
		default:
			return list
		}
	}
	return list
}
