#include "host_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/*
 * The driver against a real sshd on 127.0.0.1, with keys and folders of its own. sshd wants
 * /run/sshd when it is root's: it gets a /run of its own.
 */
static struct fixture f;
static uint16_t port;
static pid_t sshd;
static char target[128];
static char ssh_config[128];

static void write_file(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void write_file(const char *name, const char *format, ...)
{
    char path[192];
    fixture_path(&f, name, path, sizeof path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    va_list arguments;
    va_start(arguments, format);
    ck_assert_int_ge(vdprintf(fd, format, arguments), 0);
    va_end(arguments);
    close(fd);
}

static int run(const char *const *argv)
{
    const pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static struct sockaddr_in loopback(uint16_t number)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(number),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static bool listening(void)
{
    const struct sockaddr_in address = loopback(port);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

static void make_key(const char *name)
{
    char path[192];
    fixture_path(&f, name, path, sizeof path);
    const char *const argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, NULL};
    ck_assert_int_eq(run(argv), 0);
}

static void configure(void)
{
    char key[256];
    fixture_read(&f, "host_key.pub", key, sizeof key);
    write_file("known_hosts", "[127.0.0.1]:%u %s", port, key);
    fixture_read(&f, "key.pub", key, sizeof key);
    write_file("authorized_keys", "%s", key);
    write_file("ssh_config",
               "Host *\nIdentityFile %s/key\nIdentitiesOnly yes\n"
               "UserKnownHostsFile %s/known_hosts\nGlobalKnownHostsFile /dev/null\n",
               f.folder, f.folder);
    /* HOME: the login shell is not to read what the user of this machine has in theirs. */
    write_file("sshd_config",
               "ListenAddress 127.0.0.1:%u\nHostKey %s/host_key\nAuthorizedKeysFile "
               "%s/authorized_keys\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
               "PasswordAuthentication no\nSetEnv NINES_STATE_DIR=%s/state HOME=%s\n",
               port, f.folder, f.folder, f.folder, f.folder);
    fixture_path(&f, "ssh_config", ssh_config, sizeof ssh_config);
}

static void start_sshd(void)
{
    char script[512];
    (void)snprintf(script, sizeof script,
                   "[ \"$(id -u)\" != 0 ] || [ -d /run/sshd ] || "
                   "{ mount -t tmpfs tmpfs /run && mkdir -m 0755 /run/sshd; } || exit 1; "
                   "exec /usr/sbin/sshd -D -e -f %s/sshd_config 2>%s/sshd.log",
                   f.folder, f.folder);
    sshd = fork();
    if (sshd == 0) {
        if (getuid() == 0)
            execlp("unshare", "unshare", "--mount", "sh", "-c", script, (char *)NULL);
        execlp("sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    for (int tries = 0; !listening(); tries++) {
        ck_assert_int_lt(tries, 200);
        (void)usleep(20000);
    }
}

static void set_up(void)
{
    fixture_open(&f);
    port = free_port();
    make_key("host_key");
    make_key("key");
    configure();
    start_sshd();
    f.config.ssh_config = ssh_config;
    const struct passwd *user = getpwuid(getuid());
    ck_assert_ptr_nonnull(user);
    (void)snprintf(target, sizeof target, "%s@127.0.0.1:%u", user->pw_name, port);
    fixture_host(&f, CONFIG_DRIVER_SSH, target);
}

static struct host_job facts(void)
{
    return (struct host_job){.id = "facts", .verb = HOST_FACTS, .timeout_ms = 10000};
}

static struct host_job append(const char *id, const char *script, char *path, size_t size)
{
    static const char *words[5];
    fixture_path(&f, "runs", path, size);
    words[0] = "sh";
    words[1] = "-c";
    words[2] = script;
    words[3] = path;
    return (struct host_job){.id = id,
                             .token = 1,
                             .verb = HOST_COMMAND,
                             .command = {.words = words, .count = 4},
                             .timeout_ms = 20000};
}

static void expect_runs(const char *expected)
{
    char runs[256];
    fixture_read(&f, "runs", runs, sizeof runs);
    ck_assert_str_eq(runs, expected);
}

/* Processes whose parent is that one. */
static size_t children_of(pid_t parent, pid_t *children, size_t max)
{
    size_t count = 0;
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    while ((entry = readdir(proc)) != NULL && count < max) {
        char path[300];
        char line[512] = "";
        (void)snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (file == NULL)
            continue;
        const char *end = fgets(line, sizeof line, file) == NULL ? NULL : strrchr(line, ')');
        (void)fclose(file);
        if (end != NULL && strtol(end + 4, NULL, 10) == parent)
            children[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
    }
    (void)closedir(proc);
    return count;
}

/* Sends it to the sshd processes of all connections. */
static size_t signal_connections(int signal_number)
{
    pid_t children[16];
    const size_t count = children_of(sshd, children, COUNT_OF(children));
    for (size_t i = 0; i < count; i++) {
        pid_t inner[16];
        const size_t inner_count = children_of(children[i], inner, COUNT_OF(inner));
        for (size_t j = 0; j < inner_count; j++)
            (void)kill(inner[j], signal_number);
        (void)kill(children[i], signal_number);
    }
    return count;
}

/* With their connections, the masters end too. */
static void tear_down(void)
{
    (void)signal_connections(SIGKILL);
    ck_assert_int_eq(kill(sshd, SIGTERM), 0);
    ck_assert_int_eq(waitpid(sshd, NULL, 0), sshd);
    fixture_close(&f);
}

static bool master_there(void)
{
    bool found = false;
    DIR *folder = opendir(f.admin);
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL)
        found = found || strncmp(entry->d_name, "ssh-", 4) == 0;
    (void)closedir(folder);
    return found;
}

START_TEST(test_facts_over_one_connection)
{
    const struct host_job job = facts();
    const struct outcome first = fixture_run(&f, &job);
    ck_assert_msg(first.outcome == HOST_OK, "%s", first.sentence);
    ck_assert_uint_eq(strlen(first.boot_id), 36);
    ck_assert(master_there());
    pid_t children[4];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(fixture_run(&f, &job).outcome, HOST_OK);
    ck_assert_uint_eq(children_of(sshd, children, COUNT_OF(children)), 1);
}
END_TEST

START_TEST(test_words_reach_the_command_as_they_are)
{
    char path[128];
    fixture_path(&f, "runs", path, sizeof path);
    const struct host_job job = {
        .id = "web.words",
        .token = 1,
        .verb = HOST_COMMAND,
        .command = FIXTURE_ARGV("sh", "-c", "out=$1; shift; printf '<%s>' \"$@\" >\"$out\"", "sh",
                                path, "$(id)", "a  b", "", "';id;'", "*", "new\nline\n", "`id`"),
        .timeout_ms = 10000};
    const struct outcome outcome = fixture_run(&f, &job);
    ck_assert_msg(outcome.outcome == HOST_OK, "%s", outcome.sentence);
    expect_runs("<$(id)><a  b><><';id;'><*><new\nline\n><`id`>");
}
END_TEST

START_TEST(test_a_job_outlives_its_connection)
{
    char path[128];
    const struct host_job job =
        append("web-1.slow", "echo run >>$0; sleep 2; echo over >>$0", path, sizeof path);
    struct outcome first = {0};
    f.driver->start(f.host, &job, fixture_on_done, &first);
    fixture_runs(&f, "run\n");
    ck_assert_uint_gt(signal_connections(SIGKILL), 0);
    fixture_wait(&f, &first);
    ck_assert_int_eq(first.outcome, HOST_UNREACHABLE);
    const struct outcome again = fixture_run(&f, &job);
    ck_assert_msg(again.outcome == HOST_OK, "%s", again.sentence);
    ck_assert(again.recorded);
    expect_runs("run\nover\n");
}
END_TEST

START_TEST(test_a_connection_that_hangs_is_given_up)
{
    const struct host_job warm = facts();
    ck_assert_int_eq(fixture_run(&f, &warm).outcome, HOST_OK);
    ck_assert_uint_eq(signal_connections(SIGSTOP), 1);
    struct host_job job = facts();
    job.timeout_ms = 1000;
    const struct outcome hung = fixture_run(&f, &job);
    ck_assert_int_eq(hung.outcome, HOST_UNREACHABLE);
    ck_assert_str_eq(hung.sentence, "no answer within 6 s");
    ck_assert(!master_there());
    /* The next one does not go the way of the last. */
    const struct outcome fresh = fixture_run(&f, &warm);
    ck_assert_msg(fresh.outcome == HOST_OK, "%s", fresh.sentence);
    ck_assert_uint_eq(signal_connections(SIGCONT), 2);
}
END_TEST

START_TEST(test_a_host_key_that_is_not_known)
{
    make_key("other_key");
    char key[256];
    fixture_read(&f, "other_key.pub", key, sizeof key);
    write_file("known_hosts", "[127.0.0.1]:%u %s", port, key);
    const struct host_job job = facts();
    const struct outcome outcome = fixture_run(&f, &job);
    ck_assert_int_eq(outcome.outcome, HOST_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(outcome.sentence, "Host key verification failed"));
    write_file("known_hosts", "%s", "");
    ck_assert_int_eq(fixture_run(&f, &job).outcome, HOST_UNREACHABLE);
}
END_TEST

START_TEST(test_nobody_listens)
{
    (void)snprintf(target, sizeof target, "127.0.0.1:%u", free_port());
    fixture_host(&f, CONFIG_DRIVER_SSH, target);
    const struct host_job job = facts();
    const struct outcome outcome = fixture_run(&f, &job);
    ck_assert_int_eq(outcome.outcome, HOST_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(outcome.sentence, "Connection refused"));
}
END_TEST

START_TEST(test_targets_that_are_none)
{
    static const char *const targets[] = {"",
                                          "-oProxyCommand=id",
                                          "root@-oProxyCommand=id",
                                          "-l@host",
                                          "a b",
                                          "host;id",
                                          "$(id)",
                                          "host:0",
                                          "host:65536",
                                          "host:",
                                          "@h",
                                          "root@",
                                          "[::1",
                                          "[::1]22",
                                          "[]:22",
                                          "a@b@c",
                                          "h\n",
                                          NULL};
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct error error = {0};
        f.host_config.ssh = targets[i];
        ck_assert_msg(host_ssh.open(&f.arena, f.loop, &f.config, &f.tier, &f.host_config, &error) ==
                          NULL,
                      "accepted: %s", targets[i]);
        ck_assert_int_eq(error.kind, ERROR_USAGE);
        ck_assert_ptr_nonnull(strstr(error.text, "nines.yaml:9:7: host 'web-1' of tier 'web': "));
    }
    static const char *const good[] = {"web-1",         "root@web-1:22", "root@[::1]:2222",
                                       "a.b_c@fe80::1", "fe80::1%eth0",  "[fe80::1%eth0]"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct error error = {0};
        f.host_config.ssh = good[i];
        ck_assert_msg(host_ssh.open(&f.arena, f.loop, &f.config, &f.tier, &f.host_config, &error) !=
                          NULL,
                      "%s", error.text);
    }
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, test_facts_over_one_connection);
    tcase_add_test(c, test_words_reach_the_command_as_they_are);
    tcase_add_test(c, test_a_job_outlives_its_connection);
    tcase_add_test(c, test_a_connection_that_hangs_is_given_up);
    tcase_add_test(c, test_a_host_key_that_is_not_known);
    tcase_add_test(c, test_nobody_listens);
    tcase_add_test(c, test_targets_that_are_none);
}

UNIT_MAIN(tests)
