/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Request lines of the meta protocol. What is expected here is what memcached 1.6.38 answers.
 */
#include "show.h"

#define CHECK_ROWS(rows) show_check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

#define O31 "0123456789abcdefghijklmnopqrstu"

static void mg_takes_flags(void **state)
{
    static const struct show_row rows[] = {
        {"mg k", "meta GET  key=k"},
        {"mg  k  ", "meta GET  key=k"},
        {"mg k v", "meta GET v key=k"},
        {"mg k s v q", "meta GET qsv key=k returns=s"},
        {"mg k t c s f l h k v", "meta GET cfhklstv key=k returns=tcsflhk"},
        {"mg k h l f s c t k", "meta GET cfhklst key=k returns=hlfsctk"},
        {"mg k Oabc", "meta GET O key=k returns=O opaque=abc"},
        {"mg k O", "meta GET O key=k returns=O"},
        {"mg k Oa\tb v", "meta GET Ov key=k returns=O opaque=a\tb"},
        {"mg k\tl v", "meta GET v key=k\tl"},
        {"mg k v\t", "meta GET v key=k"},
        {"mg k  v", "meta GET v key=k"},
        {"mg k Oa Ob", "META_DUPLICATE_FLAG"},
        {"mg k vv", "meta GET v key=k"},
        {"mg k k O" O31 " v", "meta GET kOv key=k returns=kO opaque=" O31},
        {"mg k O" O31 "x", "META_OPAQUE_LONG"},
        {"mg k T30", "meta GET T key=k exptime=30"},
        {"mg k T-1 u", "meta GET Tu key=k exptime=-1"},
        {"mg k N30 R60", "meta GET NR key=k vivify=30 recache=60"},
        {"mg k C5 E6", "meta GET CE key=k cas=5 assign=6"},
        {"mg k x I u q", "meta GET quIx key=k"},
        {"mg k k3 v0 ss", "meta GET ksv key=k returns=ks"},
        {"mg k P L Pfoo", "META_DUPLICATE_FLAG"},
        {"mg k Pfoo Lbar", "meta GET  key=k"},
        {"mg k F7 M1 D2 J3", "meta GET fJDM key=k"},
        {"mg " K250, "meta GET  key=" K250},
        {"mg " K251, "BAD_FORMAT"},
        {"mg", "UNKNOWN"},
        {"mg ", "UNKNOWN"},
        {"mg k v v", "META_DUPLICATE_FLAG"},
        {"mg k T1 T2", "META_DUPLICATE_FLAG"},
        {"mg k T1 Tx", "META_DUPLICATE_FLAG"},
        {"mg k \x80", "META_DUPLICATE_FLAG"},
        {"mg k \x7f", "META_DUPLICATE_FLAG"},
        {"mg k ~", "META_INVALID_FLAG"},
        {"mg k z", "META_INVALID_FLAG"},
        {"mg k W", "META_INVALID_FLAG"},
        {"mg k S5", "META_INVALID_FLAG"},
        {"mg k 5", "META_INVALID_FLAG"},
        {"mg k noreply", "META_INVALID_FLAG"},
        {"mg k Tx", "META_BAD_TOKEN"},
        {"mg k T", "META_BAD_TOKEN"},
        {"mg k Nx", "META_BAD_TOKEN"},
        {"mg k Rx", "META_BAD_TOKEN"},
        {"mg k Cx", "META_BAD_TOKEN"},
        {"mg k C-1", "META_BAD_TOKEN"},
        {"mg k Ex", "META_BAD_TOKEN"},
        {"mg k T2147483648", "META_BAD_TOKEN"},
        {"mg k Fx", "BAD_FORMAT"},
        {"mg k F4294967296", "BAD_FORMAT"},
        {"mg k Fx Tx", "META_BAD_TOKEN"},
        {"mg k Tx Fx", "META_BAD_TOKEN"},
        {"mg k Tx Dx", "META_BAD_DELTA"},
        {"mg k Dx Tx", "META_BAD_TOKEN"},
        {"mg k Tx z", "META_INVALID_FLAG"},
        {"mg k Tx v v", "META_DUPLICATE_FLAG"},
        {"mg k Jx", "META_BAD_INITIAL"},
        {"mg k M", "META_MODE_LENGTH"},
        {"mg k MEE", "META_MODE_LENGTH"},
        {"mg k Mz", "meta GET M key=k"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void order_of_times_is_kept(void **state)
{
    static const struct show_row rows[] = {
        {"mg k t T9", "meta GET tT1 key=k returns=t exptime=9"},
        {"mg k T9 t", "meta GET tT key=k returns=t exptime=9"},
        {"mg k t N9", "meta GET tN2 key=k returns=t vivify=9"},
        {"mg k N9 t", "meta GET tN key=k returns=t vivify=9"},
        {"mg k R8 T9", "meta GET TR3 key=k exptime=9 recache=8"},
        {"mg k T9 R8", "meta GET TR key=k exptime=9 recache=8"},
        {"mg k T9 N8", "meta GET TN4 key=k exptime=9 vivify=8"},
        {"mg k N8 T9", "meta GET TN key=k exptime=9 vivify=8"},
        {"mg k t R7 T9 N8", "meta GET tTNR1234 key=k returns=t exptime=9 vivify=8 recache=7"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void base64_keys_are_decoded(void **state)
{
    static const struct show_row rows[] = {
        {"mg Zm9v b", "meta GET b key=foo"},
        {"mg Zm8= v b k", "meta GET bkv key=fo returns=k"},
        {"mg Zg== b", "meta GET b key=f"},
        {"mg Zm!9v b", "meta GET b key=foo"},
        {"mg Zm8=Zm9v b", "meta GET b key=fo"},
        {"mg Zm9 b", "META_BAD_KEY"},
        {"mg ==== b", "META_BAD_KEY"},
        {"mg A=== b", "META_BAD_KEY"},
        {"mg !! b", "META_BAD_KEY"},
        {"mg Zm9 b z", "META_INVALID_FLAG"},
        {"mg Zm9 b Tx", "META_BAD_TOKEN"},
        {"mg Zm9 b Fx", "META_BAD_KEY"},
        {"ms Zm9v 2 b", "meta STORE SET b key=foo size=2"},
        {"ms Zm9 2 b", "META_BAD_KEY swallow=4"},
        {"md Zm9v b", "meta DELETE b key=foo"},
        {"md Zm9 b", "META_INVALID_OR_DUPLICATE"},
        {"ma Zm9v b", "meta ARITH b key=foo"},
        {"ma Zm9 b", "META_INVALID_OR_DUPLICATE"},
        {"me Zm9v b", "meta META_DEBUG b key=foo"},
        {"me Zm9 b", "BAD_FORMAT"},
        {"me Zm9v x b", "meta META_DEBUG  key=Zm9v"},
        {"me Zm9v bb", "meta META_DEBUG  key=Zm9v"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void ms_takes_a_length_and_a_mode(void **state)
{
    static const struct show_row rows[] = {
        {"ms k 2", "meta STORE SET  key=k size=2"},
        {"ms k 0", "meta STORE SET  key=k"},
        {"ms k +2", "meta STORE SET  key=k size=2"},
        {"ms k 2 c k s Ox", "meta STORE SET ckOs key=k returns=cksO opaque=x size=2"},
        {"ms k 2 T30 F7 C5 E6 I", "meta STORE SET CEfTI key=k exptime=30 cas=5 assign=6 flags=7 "
                                  "size=2"},
        {"ms k 2 ME", "meta STORE ADD M key=k size=2"},
        {"ms k 2 MA N5", "meta STORE APPEND NM key=k vivify=5 size=2"},
        {"ms k 2 MP", "meta STORE PREPEND M key=k size=2"},
        {"ms k 2 MR", "meta STORE REPLACE M key=k size=2"},
        {"ms k 2 MS q", "meta STORE SET qM key=k size=2"},
        {"ms k 2147483645", "meta STORE SET  key=k size=2147483645"},
        {"ms k 2147483646", "BAD_FORMAT"},
        {"ms k 4294967297", "BAD_FORMAT"},
        {"ms k -1", "BAD_FORMAT"},
        {"ms k x", "BAD_FORMAT"},
        {"ms k S2", "BAD_FORMAT"},
        {"ms k v", "BAD_FORMAT"},
        {"ms k", "BAD_FORMAT"},
        {"ms", "UNKNOWN"},
        {"ms " K251 " 2", "BAD_FORMAT"},
        {"ms " K251, "BAD_FORMAT"},
        {"ms k 2 z", "META_INVALID_FLAG swallow=4"},
        {"ms k 2 noreply", "META_INVALID_FLAG swallow=4"},
        {"ms k 100 v v", "META_DUPLICATE_FLAG swallow=102"},
        {"ms k 0 Tx", "META_BAD_TOKEN swallow=2"},
        {"ms k 0 Fx", "BAD_FORMAT swallow=2"},
        {"ms k 0 Mx", "META_MODE_MS swallow=2"},
        {"ms k 0 Me", "META_MODE_MS swallow=2"},
        {"ms k 0 MI", "META_MODE_MS swallow=2"},
        {"ms k 0 M", "META_MODE_LENGTH swallow=2"},
        {"ms k 0 O" O31 "x", "META_OPAQUE_LONG swallow=2"},
        {"ms k 0 Mx O" O31 "x", "META_MODE_MS swallow=2"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void md_and_ma_have_one_error(void **state)
{
    static const struct show_row rows[] = {
        {"md k", "meta DELETE  key=k"},
        {"md k q k Ox C5", "meta DELETE CkOq key=k returns=kO opaque=x cas=5"},
        {"md k I T30 E9 x F3", "meta DELETE EfTIx key=k exptime=30 assign=9 flags=3"},
        {"md k Mz", "meta DELETE M key=k"},
        {"md k M", "META_INVALID_OR_DUPLICATE"},
        {"md k z", "META_INVALID_OR_DUPLICATE"},
        {"md k q q", "META_INVALID_OR_DUPLICATE"},
        {"md k Cx", "META_INVALID_OR_DUPLICATE"},
        {"md k O" O31 "x", "META_OPAQUE_LONG"},
        {"md " K251, "BAD_FORMAT"},
        {"md", "UNKNOWN"},
        {"ma k", "meta ARITH  key=k"},
        {"ma k D0", "meta ARITH D key=k delta=18446744073709551615"},
        {"ma k D5 J13 N30 q v t c",
         "meta ARITH cqtvNJD key=k returns=tc vivify=30 delta=4 initial=13"},
        {"ma k MI", "meta ARITH M key=k"},
        {"ma k M+", "meta ARITH M key=k"},
        {"ma k MD", "meta ARITH decrement M key=k"},
        {"ma k M-", "meta ARITH decrement M key=k"},
        {"ma k Md", "META_MODE_MA"},
        {"ma k ME", "META_MODE_MA"},
        {"ma k M++", "META_INVALID_OR_DUPLICATE"},
        {"ma k ME O" O31 "x", "META_MODE_MA"},
        {"ma k O" O31 "x", "META_OPAQUE_LONG"},
        {"ma k Dx", "META_INVALID_OR_DUPLICATE"},
        {"ma k Jx", "META_INVALID_OR_DUPLICATE"},
        {"ma k z", "META_INVALID_OR_DUPLICATE"},
        {"ma " K251, "BAD_FORMAT"},
        {"ma", "UNKNOWN"},
        {"mn", "meta NOOP "},
        {"mn q k", "meta NOOP "},
        {"me k", "meta META_DEBUG  key=k"},
        {"me k v q", "meta META_DEBUG  key=k"},
        {"me " K250, "meta META_DEBUG  key=" K250},
        {"me " K251, "BAD_FORMAT"},
        {"me", "BAD_FORMAT"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

/* 19 words are understood, 20 are not, before any flag is looked at. */
static void too_many_words(void **state)
{
    static const struct show_row rows[] = {
        {"mg k b c f h k l O q s t v u x I P L F1", "META_BAD_KEY"},
        {"mg Zm9v b c f h k l O q s t v u x I P L F1",
         "meta GET bcfhklOqstvuIx key=foo returns=cfhklOst"},
        {"mg k b c f h k l O q s t v u x I P L F1 z", "META_TOO_MANY_MG"},
        {"ms k 2 c f h k l O q s t v u x I P L F1",
         "meta STORE SET cfhklOqstvuIx key=k returns=cfhklOst flags=1 size=2"},
        {"ms k 2 c f h k l O q s t v u x I P L F1 z", "META_TOO_MANY"},
        {"ms k 2 c f h k l O q s t v u x I P L F1 z z z z z z z z z", "META_TOO_MANY"},
        {"md k b c f h k l O q s t v u x I P L F1 z", "META_TOO_MANY"},
        {"ma k b c f h k l O q s t v u x I P L F1 z", "META_TOO_MANY"},
        {"mn k b c f h k l O q s t v u x I P L F1 z", "meta NOOP "},
        {"me k b2 c f h k l O q s t v u x I P L F1 z", "meta META_DEBUG  key=k"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mg_takes_flags),           cmocka_unit_test(order_of_times_is_kept),
        cmocka_unit_test(base64_keys_are_decoded),  cmocka_unit_test(ms_takes_a_length_and_a_mode),
        cmocka_unit_test(md_and_ma_have_one_error), cmocka_unit_test(too_many_words),
    };

    return cmocka_run_group_tests_name("proto-meta", tests, NULL, NULL);
}
