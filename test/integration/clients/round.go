// SPDX-License-Identifier: BSD-3-Clause
// The round of client_round.py with gomemcache.
//
// Usage: round PARAMETERS     PARAMETERS is the JSON of client_round.parameters()
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

var p struct {
	Host         string
	Port         int
	Many         int
	TtlS         int `json:"ttl_s"`
	PatienceS    int `json:"patience_s"`
	LongestKey   int `json:"longest_key"`
	LargeSize    int `json:"large_size"`
	TooLargeSize int `json:"too_large_size"`
	Awkward      string
}

var memc *memcache.Client

func step(name string, code func() error) {
	if err := code(); err != nil {
		text := strings.NewReplacer("\r", " ", "\n", " ").Replace(err.Error())
		fmt.Printf("not ok - %s: %.300s\n", name, text)
		return
	}
	fmt.Printf("ok - %s\n", name)
}

func shown(value string) string {
	if len(value) > 60 {
		return fmt.Sprintf("%d bytes", len(value))
	}
	return fmt.Sprintf("%q", value)
}

func set(key, value string) error {
	return memc.Set(&memcache.Item{Key: key, Value: []byte(value)})
}

func checkIs(key, expected string) error {
	item, err := memc.Get(key)
	if err == nil && string(item.Value) != expected {
		err = fmt.Errorf("got %s, expected %s", shown(string(item.Value)), shown(expected))
	}
	return err
}

func checkMiss(key string) error {
	if _, err := memc.Get(key); err != memcache.ErrCacheMiss {
		return fmt.Errorf("no miss but: %v", err)
	}
	return nil
}

func roundTrip(key, value string) error {
	if err := set(key, value); err != nil {
		return err
	}
	return checkIs(key, value)
}

func checkNumber(got uint64, err error, expected uint64) error {
	if err == nil && got != expected {
		err = fmt.Errorf("got %d, expected %d", got, expected)
	}
	return err
}

func multiGet() error {
	var keys []string
	for n := 0; n < p.Many; n++ {
		key := fmt.Sprintf("many:%d", n)
		if err := set(key, fmt.Sprintf("value %d", n)); err != nil {
			return err
		}
		keys = append(keys, key, fmt.Sprintf("none:%d", n))
	}
	found, err := memc.GetMulti(keys)
	if err != nil {
		return err
	}
	if len(found) != p.Many {
		return fmt.Errorf("%d of %d keys", len(found), p.Many)
	}
	for n := 0; n < p.Many; n++ {
		item := found[fmt.Sprintf("many:%d", n)]
		if item == nil || string(item.Value) != fmt.Sprintf("value %d", n) {
			return fmt.Errorf("key %d is missing or has another value", n)
		}
	}
	return nil
}

// The token is in the item, unseen.
func cas() error {
	if err := set("cas", "one"); err != nil {
		return err
	}
	item, err := memc.Get("cas")
	if err != nil {
		return err
	}
	item.Value = []byte("two")
	if err := memc.CompareAndSwap(item); err != nil {
		return fmt.Errorf("the first use of the token: %w", err)
	}
	item.Value = []byte("three")
	if err := memc.CompareAndSwap(item); err != memcache.ErrCASConflict {
		return fmt.Errorf("the second use of the token: %v", err)
	}
	return checkIs("cas", "two")
}

func incr() error {
	if err := set("incr", "10"); err != nil {
		return err
	}
	got, err := memc.Increment("incr", 5)
	if err := checkNumber(got, err, 15); err != nil {
		return err
	}
	got, err = memc.Decrement("incr", 6)
	if err := checkNumber(got, err, 9); err != nil {
		return err
	}
	got, err = memc.Decrement("incr", 100)
	if err := checkNumber(got, err, 0); err != nil {
		return err
	}
	if _, err = memc.Increment("incr:none", 1); err != memcache.ErrCacheMiss {
		return fmt.Errorf("incr of a key that does not exist: %v", err)
	}
	return nil
}

func tooLargeValue() error {
	if set("huge", strings.Repeat("x", p.TooLargeSize)) == nil {
		return errors.New("it was stored")
	}
	if err := checkMiss("huge"); err != nil {
		return err
	}
	return roundTrip("after:huge", "next")
}

func expiry() error {
	started := time.Now()
	ttl := time.Duration(p.TtlS) * time.Second
	err := memc.Set(&memcache.Item{Key: "expiry", Value: []byte("x"), Expiration: int32(p.TtlS)})
	for err == nil {
		if time.Since(started) > ttl+time.Duration(p.PatienceS)*time.Second {
			return errors.New("still there")
		}
		time.Sleep(50 * time.Millisecond)
		_, err = memc.Get("expiry")
	}
	if err == memcache.ErrCacheMiss && time.Since(started) < ttl-1200*time.Millisecond {
		return errors.New("gone too early")
	}
	if err != memcache.ErrCacheMiss {
		return err
	}
	return nil
}

func remove() error {
	if err := set("delete", "x"); err != nil {
		return err
	}
	if err := memc.Delete("delete"); err != nil {
		return err
	}
	if err := checkMiss("delete"); err != nil {
		return err
	}
	if err := memc.Delete("delete"); err != memcache.ErrCacheMiss {
		return fmt.Errorf("the second delete: %v", err)
	}
	return nil
}

func flags() error {
	for _, flags := range []uint32{0, 1, 0xffff, 0xffffffff} {
		if err := memc.Set(&memcache.Item{Key: "flags", Value: []byte("x"), Flags: flags}); err != nil {
			return err
		}
		item, err := memc.Get("flags")
		if err != nil {
			return err
		}
		if item.Flags != flags {
			return fmt.Errorf("got %d, expected %d", item.Flags, flags)
		}
	}
	return nil
}

func tooLongKey() error {
	if set(strings.Repeat("k", p.LongestKey+1), "x") == nil {
		return errors.New("it was stored")
	}
	return roundTrip("after:long", "next")
}

func main() {
	if err := json.Unmarshal([]byte(os.Args[1]), &p); err != nil {
		panic(err)
	}
	memc = memcache.New(fmt.Sprintf("%s:%d", p.Host, p.Port))
	memc.Timeout = time.Duration(p.PatienceS) * time.Second
	large := strings.Repeat("0123456789abcdef!", p.LargeSize/16)[:p.LargeSize]
	every := make([]byte, 256)
	for n := range every {
		every[n] = byte(n)
	}
	step("store", func() error { return set("store", "x") })
	step("fetch", func() error { return roundTrip("fetch", p.Awkward+string(every)) })
	step("miss", func() error { return checkMiss("miss") })
	step("multi_get", multiGet)
	step("cas", cas)
	step("incr", incr)
	step("large_value", func() error { return roundTrip("large", large) })
	step("too_large_value", tooLargeValue)
	step("expiry", expiry)
	step("delete", remove)
	step("flags", flags)
	step("longest_key", func() error { return roundTrip(strings.Repeat("k", p.LongestKey), "x") })
	step("too_long_key", tooLongKey)
}
