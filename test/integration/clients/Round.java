// SPDX-License-Identifier: BSD-3-Clause
// The round of client_round.py with spymemcached.
//
// Usage: java Round NAME=VALUE...     the members of client_round.parameters() that have a value
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.logging.Level;
import java.util.logging.Logger;
import net.spy.memcached.CASResponse;
import net.spy.memcached.CASValue;
import net.spy.memcached.CachedData;
import net.spy.memcached.ConnectionFactoryBuilder;
import net.spy.memcached.MemcachedClient;
import net.spy.memcached.auth.AuthDescriptor;
import net.spy.memcached.auth.PlainCallbackHandler;
import net.spy.memcached.transcoders.Transcoder;

public final class Round {
    interface Step {
        void run() throws Exception;
    }

    /** A value and its flags as they are on the wire. Large ones are left to the server's judgement. */
    record Plain(int flags, String text) {}

    static final class PlainTranscoder implements Transcoder<Plain> {
        @Override
        public boolean asyncDecode(CachedData data) {
            return false;
        }

        @Override
        public CachedData encode(Plain value) {
            return new CachedData(value.flags, value.text.getBytes(StandardCharsets.ISO_8859_1), getMaxSize());
        }

        @Override
        public Plain decode(CachedData data) {
            return new Plain(data.getFlags(), new String(data.getData(), StandardCharsets.ISO_8859_1));
        }

        @Override
        public int getMaxSize() {
            return 1 << 26;
        }
    }

    private static final Transcoder<Plain> PLAIN = new PlainTranscoder();
    private static final Map<String, String> P = new HashMap<>();
    private static MemcachedClient memc;

    private static int number(String name) {
        return Integer.parseInt(P.get(name));
    }

    private static void step(String name, Step code) {
        try {
            code.run();
            System.out.println("ok - " + name);
        } catch (Exception | AssertionError error) {
            System.out.println("not ok - " + name + ": " + error.toString().replaceAll("[\r\n]+", " "));
        }
    }

    private static void check(boolean good, String what) {
        if (!good) {
            throw new AssertionError(what);
        }
    }

    private static void checkIs(Object got, Object expected) {
        check(expected == null ? got == null : expected.equals(got),
            "got " + shown(got) + ", expected " + shown(expected));
    }

    private static String shown(Object value) {
        String text = String.valueOf(value);
        return text.length() > 60 ? text.length() + " characters" : text;
    }

    private static boolean set(String key, String value, int ttlS) throws Exception {
        return memc.set(key, ttlS, new Plain(0, value), PLAIN).get();
    }

    private static boolean set(String key, String value) throws Exception {
        return set(key, value, 0);
    }

    private static String get(String key) {
        Plain found = memc.get(key, PLAIN);
        return found == null ? null : found.text;
    }

    private static boolean isRefused(String key, String value) throws Exception {
        try {
            return !set(key, value);
        } catch (IllegalArgumentException | ExecutionException refusal) {
            return true;
        }
    }

    private static void stillServes(String key) throws Exception {
        check(set(key, "next"), "the next command after the refusal failed");
        checkIs(get(key), "next");
    }

    private static void multiGet() throws Exception {
        Map<String, Plain> stored = new HashMap<>();
        List<String> keys = new ArrayList<>();
        for (int n = 0; n < number("many"); n++) {
            stored.put("many:" + n, new Plain(0, "value " + n));
            check(set("many:" + n, "value " + n), "refused");
            keys.addAll(Arrays.asList("many:" + n, "none:" + n));
        }
        checkIs(memc.getBulk(keys, PLAIN), stored);
    }

    private static void cas() throws Exception {
        check(set("cas", "one"), "refused");
        CASValue<Plain> got = memc.gets("cas", PLAIN);
        checkIs(got.getValue().text, "one");
        checkIs(memc.cas("cas", got.getCas(), new Plain(0, "two"), PLAIN), CASResponse.OK);
        checkIs(memc.cas("cas", got.getCas(), new Plain(0, "three"), PLAIN), CASResponse.EXISTS);
        checkIs(get("cas"), "two");
    }

    private static void incr() throws Exception {
        check(set("incr", "10"), "refused");
        checkIs(memc.incr("incr", 5), 15L);
        checkIs(memc.decr("incr", 6), 9L);
        checkIs(memc.decr("incr", 100), 0L);
        checkIs(memc.incr("incr:none", 1), -1L);
        checkIs(memc.incr("incr:initial", 1, 7L), 7L);
        checkIs(memc.incr("incr:initial", 1, 7L), 8L);
    }

    private static void expiry() throws Exception {
        long started = System.nanoTime();
        check(set("expiry", "x", number("ttl_s")), "refused");
        while (get("expiry") != null) {
            check(secondsSince(started) < number("ttl_s") + number("patience_s"), "still there");
            Thread.sleep(50);
        }
        check(secondsSince(started) > number("ttl_s") - 1.2, "gone too early");
    }

    private static double secondsSince(long started) {
        return (System.nanoTime() - started) / 1e9;
    }

    private static void delete() throws Exception {
        check(set("delete", "x"), "refused");
        check(memc.delete("delete").get(), "refused");
        checkIs(get("delete"), null);
        check(!memc.delete("delete").get(), "the second delete found something");
    }

    private static void flags() throws Exception {
        for (int flags : new int[] {0, 1, 0xffff, 0x7fffffff}) {
            Plain value = new Plain(flags, "x");
            check(memc.set("flags", 0, value, PLAIN).get(), "refused");
            checkIs(memc.get("flags", PLAIN), value);
        }
        // And the types which the client itself keeps in them, one of them compressed.
        for (Object value : new Object[] {true, 42, 1L << 40, 2.5, "text", "compressible ".repeat(5000)}) {
            check(memc.set("types", 0, value).get(), "refused");
            checkIs(memc.get("types"), value);
        }
    }

    private static MemcachedClient connect() throws Exception {
        ConnectionFactoryBuilder builder = new ConnectionFactoryBuilder();
        builder.setOpTimeout(number("patience_s") * 1000L);
        builder.setProtocol(P.get("binary").equals("true") ? ConnectionFactoryBuilder.Protocol.BINARY
                                                           : ConnectionFactoryBuilder.Protocol.TEXT);
        if (P.containsKey("user")) {
            builder.setAuthDescriptor(new AuthDescriptor(new String[] {"PLAIN"},
                new PlainCallbackHandler(P.get("user"), P.get("password"))));
        }
        return new MemcachedClient(builder.build(),
            List.of(new InetSocketAddress(P.get("host"), number("port"))));
    }

    public static void main(String[] words) throws Exception {
        for (String word : words) {
            String[] parts = word.split("=", 2);
            P.put(parts[0], parts[1]);
        }
        System.setProperty("net.spy.log.LoggerImpl", "net.spy.memcached.compat.log.SunLogger");
        Logger.getLogger("net.spy.memcached").setLevel(Level.OFF);
        memc = connect();
        StringBuilder every = new StringBuilder(P.get("awkward"));
        for (int n = 0; n < 256; n++) {
            every.append((char) n);
        }
        String large = "0123456789abcdef!".repeat(number("large_size") / 16).substring(0, number("large_size"));
        step("store", () -> check(set("store", "x"), "refused"));
        step("fetch", () -> {
            check(set("fetch", every.toString()), "refused");
            checkIs(get("fetch"), every.toString());
        });
        step("miss", () -> checkIs(get("miss"), null));
        step("multi_get", Round::multiGet);
        step("cas", Round::cas);
        step("incr", Round::incr);
        step("large_value", () -> {
            check(set("large", large), "refused");
            checkIs(get("large"), large);
        });
        step("too_large_value", () -> {
            check(isRefused("huge", "x".repeat(number("too_large_size"))), "it was stored");
            checkIs(get("huge"), null);
            stillServes("after:huge");
        });
        step("expiry", Round::expiry);
        step("delete", Round::delete);
        step("flags", Round::flags);
        step("longest_key", () -> {
            check(set("k".repeat(number("longest_key")), "x"), "refused");
            checkIs(get("k".repeat(number("longest_key"))), "x");
        });
        step("too_long_key", () -> {
            check(isRefused("k".repeat(number("longest_key") + 1), "x"), "it was stored");
            stillServes("after:long");
        });
        memc.shutdown();
        System.exit(0);
    }
}
