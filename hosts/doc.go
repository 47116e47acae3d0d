// Package hosts lets several processes, on one machine or on many, take one run of
// training together: they meet, compare what they are about to do, and sum arrays in
// an order that depends on nothing but their number.
//
//	g, err := hosts.Join(ctx, hosts.Options{Addresses: []string{"a:7001", "b:7001"}, Rank: 0, Token: token})
//	err = g.Sum(ctx, gradients, gradients, 1./2)
//	g.Close(true, "done")
//
// Every process is connected to every other by TLS 1.3, with a key that both make of the
// token that they share: who does not know it learns nothing and is not heard. What is
// sent are numbers, texts and their lengths, all bounded; nothing of it is executed.
//
// A process that is gone is noticed by the end of its connection, or, where its machine
// or the network fell silent, because it sent nothing for eight seconds. Then every call
// that waits ends with an error that names it. What goes on meanwhile is for the caller
// to stop: see Group.Watch.
package hosts
