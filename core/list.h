/* SPDX-License-Identifier: MIT
 *
 * list.h: circular doubly linked lists whose links live inside the items, so that an item leaves
 * the middle of its list in O(1) (requirement E1).
 */
#ifndef POTAD_CORE_LIST_H
#define POTAD_CORE_LIST_H

#include "core/types.h"

struct list_head {
    struct list_head *next;
    struct list_head *prev;
};

/* The item of @type whose member @member is the list link @link. */
#define list_item(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Visits each link of @head; the body must not remove @link. */
#define list_for_each(link, head)                                                                  \
    for (struct list_head *link = (head)->next; link != (head); link = link->next)

static inline void list_init(struct list_head *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_is_empty(const struct list_head *head)
{
    return head->next == head;
}

/* Puts @link first on @head: what was freed last is warm in the cache, so it is taken first. */
static inline void list_push(struct list_head *head, struct list_head *link)
{
    link->next = head->next;
    link->prev = head;
    head->next->prev = link;
    head->next = link;
}

static inline void list_push_last(struct list_head *head, struct list_head *link)
{
    list_push(head->prev, link);
}

static inline void list_remove(struct list_head *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

/* Puts @link where @old stands; @old is on no list afterwards. */
static inline void list_replace(struct list_head *old, struct list_head *link)
{
    link->next = old->next;
    link->prev = old->prev;
    link->next->prev = link;
    link->prev->next = link;
}

/* Takes the first link off @head, which must not be empty. */
static inline struct list_head *list_pop(struct list_head *head)
{
    struct list_head *link = head->next;
    list_remove(link);
    return link;
}

#endif
