package ldm

func machineMemory() int64 { return 16 << 30 }
