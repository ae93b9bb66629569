"""debate: the claims of the two mails, each with its words, its experiment, and its verdict.

    claim           what a claim is, and what decides between two verdicts
    claims, mail    all claims, in the order of the mails; every sentence of the mails, and where it is tried
    hearing         tries them, under several seeds, on as many workers as there are

    backing_trial   M1      duplication_trial   L1      contention, kept_back, hiding and executed are
    mixed_trial     M2      frontier            L2      the ground of M4, M5 and L7; calls.c is what
    ladder_trial    M3      idle_trial          L3      L4 runs on the real CPU.
    lock_trial      M4      pointer_trial       L4
    complexity_trial M5 L7  drift_trial         L5
    composite_trial M6      half_full_trial     L6
                            admission_trial     L8
                            statistics_trial    L9
                            layer_trial         L10
"""
