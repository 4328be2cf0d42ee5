/* SPDX-License-Identifier: MIT */
/* The owners of blocks of each type. */

/* Has owners told what test->owner_ops says from now on. */
static void watch(struct test *test)
{
    for (unsigned i = 0; i < MEMDESC_TYPES; i++) {
        enum memdesc_type type = (enum memdesc_type)i;
        struct memdesc_ops ops = test->owner_ops;
        test->ears[i] = (struct ear){test, type};
        ops.release = type == MEMDESC_FOLIO ? ops.release : NULL;
        ops.context = &test->ears[i];
        if (type == MEMDESC_BUDDY_ALLOCATED || type == MEMDESC_SLAB ||
            memdesc_type_is_owner(type)) {
            answer(test, memdesc_register(&test->potad, type, &ops), STATUS_OK, "status");
        }
    }
}
