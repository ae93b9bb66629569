/* mempool of N elements; K tasks; each takes M elements one at a time with waiting, then gives all back; R rounds.
   every label = one atomic transition (the same control points as in test_explore_oracle.py) */
#ifndef N
#define N 2
#endif
#ifndef K
#define K 2
#endif
#ifndef M
#define M 2
#endif
#ifndef R
#define R 1
#endif
byte cur = N;
bit lck = 0;
bit q[K];
active [K] proctype task() {
  byte got = 0, r = 0, i;
P0: atomic { lck == 0 -> lck = 1 };
P1: atomic { if :: cur > 0 -> cur--; got++; lck = 0; if :: got < M -> goto P0 :: else -> goto P4 fi
               :: else -> lck = 0 fi };
P2: atomic { q[_pid] = 1 };
P3: atomic { if :: cur > 0 -> q[_pid] = 0; goto P0 :: else -> skip fi };
PW: atomic { q[_pid] == 0 -> goto P0 };
P4: atomic { lck == 0 -> lck = 1 };
P5: atomic { cur++; got--; lck = 0 };
P6: atomic { i = 0; do :: i < K -> q[i] = 0; i++ :: else -> break od; i = 0;
             if :: got > 0 -> goto P4
                :: else -> r++; if :: r < R -> goto P0 :: else -> goto endE fi fi };
endE: (false)
}
