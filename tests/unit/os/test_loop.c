#include "os/loop.h"

#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

struct alarm {
    struct loop_timer timer;
    struct loop *loop;
    uint64_t fired_at_ms;
    int count;
    bool again;
};

static void on_alarm(struct loop_timer *timer)
{
    struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);
    alarm->count++;
    alarm->fired_at_ms = loop_now_ms(alarm->loop);
    if (alarm->again && alarm->count < 3)
        loop_timer_set_in(alarm->loop, timer, 3600000);
}

START_TEST(test_virtual_time_jumps)
{
    struct error error;
    struct loop *loop = loop_open_virtual(1000000, 500, &error);
    ck_assert_ptr_nonnull(loop);
    struct alarm hourly = {.timer.on_time = on_alarm, .loop = loop, .again = true};
    struct alarm once = {.timer.on_time = on_alarm, .loop = loop};
    struct alarm never = {.timer.on_time = on_alarm, .loop = loop};
    loop_timer_set_in(loop, &hourly.timer, 3600000);
    loop_timer_set_in(loop, &once.timer, 10);
    loop_timer_set_in(loop, &never.timer, 20);
    loop_timer_clear(loop, &never.timer);
    loop_run(loop);
    ck_assert_int_eq(hourly.count, 3);
    ck_assert_uint_eq(hourly.fired_at_ms, 1 + 3 * 3600000ULL);
    ck_assert_uint_eq(once.fired_at_ms, 11);
    ck_assert_int_eq(never.count, 0);
    ck_assert_uint_eq(loop_wall_ms(loop), 500 + 3 * 3600000ULL);
    loop_close(loop);
}
END_TEST

struct mail {
    struct loop_post post;
    struct loop *loop;
    pthread_t seen_on;
    int *left;
};

static void on_mail(struct loop_post *post)
{
    struct mail *mail = CONTAINER_OF(post, struct mail, post);
    mail->seen_on = pthread_self();
    if (--*mail->left == 0)
        loop_stop(mail->loop);
}

static void *send_mail(void *context)
{
    struct mail *mail = context;
    loop_post(mail->loop, &mail->post);
    return NULL;
}

START_TEST(test_posts_from_other_threads_run_here)
{
    struct error error;
    struct loop *loop = loop_open(&error);
    struct mail mails[8] = {0};
    pthread_t threads[8];
    int left = 8;
    for (size_t i = 0; i < COUNT_OF(mails); i++) {
        mails[i] = (struct mail){.post.on_post = on_mail, .loop = loop, .left = &left};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_mail, &mails[i]), 0);
    }
    loop_run(loop);
    for (size_t i = 0; i < COUNT_OF(mails); i++) {
        pthread_join(threads[i], NULL);
        ck_assert(pthread_equal(mails[i].seen_on, pthread_self()));
    }
    loop_close(loop);
}
END_TEST

struct pair {
    struct loop_watch watch;
    struct loop *loop;
    struct pair *other;
    int events;
};

static void on_pair(struct loop_watch *watch, uint32_t events)
{
    struct pair *pair = CONTAINER_OF(watch, struct pair, watch);
    ck_assert(events & LOOP_READABLE);
    pair->events++;
    if (pair->other->watch.fd >= 0)
        loop_watch_remove(pair->loop, &pair->other->watch);
}

START_TEST(test_removed_watch_is_silent_within_the_batch)
{
    struct error error;
    struct loop *loop = loop_open(&error);
    int a[2];
    int b[2];
    ck_assert_int_eq(pipe2(a, O_NONBLOCK | O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(b, O_NONBLOCK | O_CLOEXEC), 0);
    struct pair first = {.watch = {.fd = a[0], .on_event = on_pair}, .loop = loop};
    struct pair second = {.watch = {.fd = b[0], .on_event = on_pair}, .loop = loop};
    first.other = &second;
    second.other = &first;
    ck_assert(loop_watch_add(loop, &first.watch, &error));
    ck_assert(loop_watch_add(loop, &second.watch, &error));
    ck_assert_int_eq(write(a[1], "x", 1), 1);
    ck_assert_int_eq(write(b[1], "x", 1), 1);
    ck_assert(loop_run_once(loop, 1000));
    ck_assert_int_eq(first.events + second.events, 1);
    loop_close(loop);
}
END_TEST

static void on_exit_of_child(struct loop_child *child, int wait_status)
{
    ck_assert(WIFEXITED(wait_status));
    ck_assert_int_eq(WEXITSTATUS(wait_status), 7);
    loop_stop(child->loop);
}

START_TEST(test_child_is_reaped)
{
    struct error error;
    struct loop *loop = loop_open(&error);
    struct loop_child child = {.on_exit = on_exit_of_child};
    const pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    ck_assert(loop_child_watch(loop, &child, pid, &error));
    loop_run(loop);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    loop_close(loop);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_virtual_time_jumps);
    tcase_add_test(c, test_posts_from_other_threads_run_here);
    tcase_add_test(c, test_removed_watch_is_silent_within_the_batch);
    tcase_add_test(c, test_child_is_reaped);
}

UNIT_MAIN(tests)
