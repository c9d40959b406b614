#!/usr/bin/perl

# What the sources may not do, so that whole kinds of fault cannot be: no shell,
# no statement put together from texts, no cryptography that is not listed.

use strict;
use warnings;
use utf8;

use Test::More;

use lib 't/lib';
use Portal::Place qw(slurp top);

chdir top() or die;

my %c = map { $_ => code(slurp($_)) } glob 'src/*.[ch] src/*/*.[ch]';
my %sql = map { $_ => slurp($_) =~ s/--[^\n]*//gr }
    glob 'sql/functions/*.sql sql/migrations/*.sql';

# without comments, which may name what the code does not do
sub code { return $_[0] =~ s{/\*.*?\*/}{}gsr }

sub nowhere {
    my ($pattern, $name, %in) = @_;

    %in = %c if !%in;
    my @found = map {
        my $file = $_;
        map { "$file: $_" } $in{$file} =~ /($pattern)/g;
    } sort keys %in;

    is_deeply \@found, [], $name;
}

cmp_ok scalar(keys %c), '>', 80, 'the sources were found';
cmp_ok scalar(keys %sql), '>', 6, 'and the functions';


### nothing is run but what makes photos small, by its path and with a word of ours

my @runs = map { /\b(posix_spawn)\s*\(/g } values %c;
is @runs, 1, 'one place starts a program';
like $c{'src/photo/portal_process.c'}, qr/posix_spawn\(pid, path, &actions, &attr, argv, envp\)/,
    'without a search for it';
like $c{'src/photo/portal_process.c'}, qr/argv\[0\] = path;\s*argv\[1\] = what;\s*argv\[2\] = NULL;\s*envp\[0\] = NULL;/,
    'without an environment, and one argument';
like $c{'src/photo/portal_photo.c'}, qr/portal_process_start\([^;]*,\s*t->pub\.logo \? "logo" : NULL,/,
    'which is a word of ours';
is_deeply [map { /\bportal_process_start\(([^,]+),/g } @c{grep { !/portal_process/ } keys %c}],
    ['(char *) t->photo->conf->path.data'], 'the one that the configuration names';
nowhere(qr/\b(?:system|popen|execl|execlp|execle|execv|execvp|execve|fexecve|posix_spawnp|fork|vfork)\s*\(/,
    'no shell, no other program');


### statements and commands are never put together from texts

my %pq = map { $_ => 1 } map { /\b(PQ(?:exec|send)\w*)\s*\(/g } values %c;
is_deeply [sort keys %pq],
    [qw(PQsendPrepare PQsendQueryParams PQsendQueryPrepared)],
    'PostgreSQL gets prepared statements and parameters only';
is_deeply [map { /PQsendQueryParams\(\s*[\w>.-]+\s*,\s*([^,]*)/g } values %c],
    ['"DEALLOCATE ALL"'], 'the one text that is not prepared is a constant';
my %redis = map { $_ => 1 } map { /\b(redis\w*Command\w*)\s*\(/g } values %c;
is_deeply [keys %redis], ['redisAsyncCommandArgv'],
    'Redis gets arguments with their lengths only';
nowhere(qr/\bexecute\s+(?!on\b)(?:'|\w+\s*\|\||[^;]*\|\|)[^;]{0,60}/i,
    'no function of the database runs a text', %sql);
nowhere(qr/(?:\blike|\bilike|\bsimilar\s+to|~\*?)\s+(?:\(?\s*input\b|p_\w+|'%'\s*\|\|)[^;]{0,60}/i,
    'what is typed is never a pattern', %sql);
nowhere(qr/\b(?:pcre|regcomp|ngx_regex)\w*/, 'nor is there one in C');


### numbers that must not be guessed, and what seals

nowhere(qr/\b(?:s?rand|rand_r|s?random|drand48)\s*\(/, 'no weak random numbers');
my %no_list = %c;
# what the list of breached passwords is made of; nothing rests on it
like $c{'src/hash/portal_hash.c'}, qr/^portal_hash_look.*?ngx_sha1_final.*?portal_breached_find.*?^\}/ms,
    'SHA-1 is for the list of breached passwords';
$no_list{'src/hash/portal_hash.c'} =~ s/^#include <ngx_sha1\.h>|^portal_hash_look\(.*?^\}//gms;
nowhere(qr/\b(?:MD5|SHA1|MD4|DES|RC4|ECB|EVP|ngx_md5|ngx_sha1)_?\w*/,
    'no old hash or cipher', %no_list);

# what else is compared: a form's name and a written answer, names of keys, prefixes
is_deeply { map { my $n = () = $c{$_} =~ /\b(?:mem|str|strn)cmp\((?![^;{]*")/g; $n ? ($_ => $n) : () }
    grep { m{^src/(?:crypto|gate|page|prepare)/} } keys %c },
    { 'src/crypto/portal_captcha.c' => 2, 'src/crypto/portal_keys.c' => 2, 'src/crypto/portal_argon2.c' => 1,
      'src/crypto/portal_signing.c' => 1 },
    'what must not be guessed is compared in equal time';
like $c{'src/crypto/portal_token.c'}, qr/^portal_equal\([^)]*\)\s*\{\s*return sodium_memcmp\(a, b, len\) == 0;/m,
    'by libsodium';
cmp_ok scalar(() = join('', values %c) =~ /\bportal_equal\(/g), '>=', 6, 'tokens, captchas and one-time codes are';

# docs/security.md lists what is used, and nothing else is
my ($inventory) = slurp('docs/security.md')
    =~ /^## Cryptography\n(.*?)(?=^## |\z)/ms;
my %listed = map { $_ => 1 } ($inventory // '')
    =~ /`((?:crypto_[a-z0-9_]+|randombytes))`/g;
my %used;
for my $code (values %c) {
    $used{$1}++ while $code
        =~ /\b(crypto_(?:aead_[a-z0-9]+_ietf|auth_[a-z0-9]+|hash_[a-z0-9]+|pwhash|[a-z]+)|randombytes)_/g;
}
is_deeply [sort keys %used], [sort keys %listed],
    'each primitive is in the inventory, and each of the inventory is used';


### where things go

# a mail as a file, for development; nginx writes the logs
my %write = map { $_ => 1 } grep { $c{$_} =~ /\b(?:NGX_FILE_(?:WRONLY|RDWR|APPEND)|O_(?:WRONLY|RDWR))\b/ }
    grep { !m{^src/tool/} } keys %c;
is_deeply [sort keys %write], ['src/crypto/portal_keys.c', 'src/mail/portal_mail.c'],
    'files are written for new keys, by the tool, and for mails';
nowhere(qr/\b(?:v?syslog|openlog|v?dprintf|f?puts|v?printf|vfprintf|sd_journal\w*)\s*\(/,
    'logs go where nginx writes them, and nowhere else',
    map { $_ => $c{$_} } grep { !m{^src/tool/} } keys %c);
my %connects = map { m{^src/(\w+)/} => 1 } grep { $c{$_} =~ /\b(?:connect|ngx_event_connect_peer|
    PQconnect\w*Params|PQsetdb\w*|redisAsyncConnect\w*|redisConnect\w*|curl_easy_init|
    getaddrinfo|ngx_resolve_name)\s*\(/x } keys %c;
is_deeply [sort keys %connects], [qw(call curl redis)],
    'three folders connect to what the configuration names';
nowhere(qr/\bCURLOPT_FOLLOWLOCATION\b/, 'what calls out follows no redirect');
is_deeply [sort map { /\bportal_curl_easy\(&\w+->transfer, ("[^"]*")/g } values %c], ['"https"', '"smtp,smtps"'],
    'and speaks SMTP, or HTTPS, alone';


### sizes on a machine of 32 bits

{
    # nginx's headers make off_t 64 bits wide; who does without them has to say
    # so itself, and has none in what others include
    my @plain = grep { $c{$_} !~ /\b(?:ngx|NGX)_\w/ } keys %c;
    cmp_ok scalar(@plain), '>', 40, 'the sources without nginx were found';
    is_deeply [grep { $c{$_} =~ /\boff_t\b/ && (/\.h$/
        || $c{$_} !~ /\A(?:(?!#include).)*^#define _FILE_OFFSET_BITS +64$/ms) } @plain], [],
        'off_t is the same in all of them';
    nowhere(qr/\(ngx_(?:atomic_int|msec_int)_t\) \w+ [<>]=? [\w>-]+/,
        'times that begin again from 0 are compared by their difference');
}


### locks of shared memory

{
    my %locks;
    for my $file (keys %c) {
        my $n = () = $c{$file} =~ /\bngx_shmtx_(?:try)?lock\(/g;
        $locks{$file} = $n if $n;
    }
    is_deeply \%locks, { 'src/cache/portal_l1.c' => 1, 'src/core/portal_count.c' => 1 }, 'two places lock';
    my @inside = map { $c{"src/$_.c"} =~ /portal_(?:l1_lock\(l1\)|count_pool->mutex\));(.*?)(?:portal_l1_unlock|ngx_shmtx_unlock)\(/gs }
        qw(cache/portal_l1 core/portal_count);
    cmp_ok scalar(@inside), '>', 4, 'what is done under them was found';
    is_deeply [map { /\b(\w*(?:_lock|alloc|free|portal_(?:count|redis|pg|op)_?\w*)\()/g } @inside], [],
        'no lock of shared memory is taken under another';
}


### who opens a session

{
    my ($ways) = slurp('docs/security.md') =~ /^## Ways in\n(.*?)^## /ms;
    my %told = map { $_ => 1 } map { /^\| [^|]+ \| `(\w+)` \|/ ? $1 : () } split /\n/, $ways // '';
    my %opens;

    for my $text (values %sql) {
        while ($text =~ /create or replace function (\w+)\((.*?)\n\$\$;/gs) {
            my ($name, $body) = ($1, $2);
            # (what goes on was a session before)
            next if $name =~ /^(?:agent_)?session_effect$|^agent_session_renew$/;
            $opens{$name} = 1 if $body =~ /\bsession_effect\('open'|\bagent_session_effect\(/
                || $body =~ /insert into (?:portal\.)?(?:agent_)?session\b/;
        }
    }
    is_deeply [sort keys %told], [sort keys %opens], 'no way in that is not written down';
}



### which town a request is of: with "portal_tenant $variable" no location knows

nowhere(qr/verdict->town|plcf->town->/, 'a request\'s town is ctx->town', %c);


### what is shipped

nowhere(qr/^#\s*ifn?def\s+\w*(?:TEST|DEBUG_ONLY|FUZZ)\w*/m,
    'no code for tests in the module');
is_deeply [grep { !/\.(?:css|js|svg|woff2|png)$/ }
    grep { -f } glob 'src/static/* src/static/*/*'], [],
    'only styles, scripts and images are served as files';
is_deeply [grep { slurp($_) =~ s{/\*.*?\*/}{}gsr =~ /\@layer\b/ } glob 'src/static/*.css'], [],
    'no style is in an @layer: Safari before 15.4 and Chrome before 99 drop it';
nowhere(qr/insert\s+into\s+(?:portal\.)?account\b[^;]{0,40}/i,
    'no account comes with the schema',
    map { $_ => $sql{$_} } grep { /migrations/ } keys %sql);
nowhere(qr/\b(?:sms|sortie_sms|text_message)\b/i, 'no message by telephone',
    %sql, %c);

# on a phone the rows are blocks, and Safari forgets then what a table is
is_deeply [map { my $file = $_;
        map { "$file: $_" } map { /(<(?:table|thead|tbody|tr|th|td)\b(?![^>]*\brole=)[^>]*>)/g } slurp($file) =~ /(<table class="table".*?<\/table>)/gs }
    glob 'src/templates/*.mustache'], [], 'a table that may be shown as blocks says what its parts are';

my %js = map { $_ => slurp($_) =~ s{/\*.*?\*/}{}gsr } glob 'src/static/*.js';
nowhere(qr/\b(?:eval|Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b/,
    'scripts make no code and no markup of texts', %js);
nowhere(qr/\b(?:localStorage|indexedDB|document\.cookie)\b/,
    'scripts keep nothing in the browser', %js);
nowhere(qr/\b(?:postMessage|importScripts|jsonp|__proto__|Object\.assign)\b/,
    'nor talk to other pages, nor merge objects that came', %js);
nowhere(qr/document\.(?!getElementById|querySelector|createElement|adoptNode|addEventListener|body|documentElement|activeElement|title|hidden|visibilityState|hasFocus|importNode)\w+/,
    'nothing is found by a name that the page\'s content could take', %js);

done_testing;
