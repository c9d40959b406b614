#!/usr/bin/perl

# The log holds one line per request, whatever the request says; and what nginx
# -t refuses to start with.

use strict;
use warnings;
use utf8;

use JSON::PP ();

use Portal::Place qw(slurp spew);
use Portal::Test;

my $portal = portal();
my $nginx = $portal->nginx;


### T148: texts that want to be a line of their own

{
    my $c = client();
    my $before = () = (slurp($nginx->access_log) // '') =~ /\n/g;
    my @texts = ('a"b', 'a\\b', "a\x01b", "a\e[2Jb", "a\tb", '{"a":"b"}',
        "\xff\xfe", "\xe2\x80\xae", 'x' x 6000, "a\x7fb",
        '" 200 0 "-" "forged', '127.0.0.1 - - [01/Jan/2026] "GET / HTTP/1.1"');
    my $sent = 0;

    for my $text (@texts) {
        for my $header (qw(User-Agent Referer X-Forwarded-For Authorization)) {
            is $c->get('/aide', headers => { $header => $text })->status, 200,
                "T148 $header";
            $sent++;
        }
        my $enc = $text =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger;
        next if length $enc > 7000;
        like $c->get("/aide?x=$enc")->status, qr/^200$/, 'T148 in an address';
        like $c->get("/$enc")->status, qr/^4/, 'T148 as an address';
        $sent += 2;
    }
    $c->raw("GET /\x01\e[2J HTTP/1.1\r\nHost: $c->{host}\r\n\r\n");
    $c->raw("\e]0;title\x07\x00\xff\r\n\r\n");
    $sent += 2;

    my $page = $c->get('/connexion');
    is $c->submit($page, { email => "a\r\nb\@exemple.fr", password => "x\ny" })
        ->status, 422, 'T148 line breaks in a form';
    $sent += 2;

    my ($text, @lines);
    wait_for(5, sub {
        $text = slurp($nginx->access_log);
        @lines = split /\n/, $text;
        @lines - $before >= $sent;
    });
    is @lines - $before, $sent, 'T148 one line per request';
    is scalar(grep { !eval { ref JSON::PP->new->utf8->decode($_) } } @lines), 0,
        'T148 each is JSON';
    unlike $text, qr/[^\x20-\x7e\n]/, 'T148 printable ASCII, nothing else';
    unlike slurp($nginx->error_log), qr/[\x00-\x08\x0b-\x1f\x7f]/,
        'T148 the error log likewise';
}


### T161, T163: what nginx -t says of a configuration

expect_complaint(qr/\[emerg\] .*(?:portal_keys|portal_redis|numeric|names are)/);

my $conf = $nginx->dir . '/conf/nginx.conf';
my $good = slurp($conf);
my $keys = $portal->keys;
my $right = slurp($keys);
my ($hex) = $right =~ /([0-9a-f]{64})/ or die 'no key';

sub tested {
    my ($text) = @_;

    spew($conf, $text, 0600);
    my ($ok, $said) = $nginx->test_conf;
    spew($conf, $good, 0600);

    return ($ok, $said);
}

ok +(tested($good))[0], 'T163 the configuration as it is';

for my $case (['missing', sub { unlink $keys }, qr/No such file/],
    ['empty', sub { spew($keys, '', 0400) }, qr/portal_keys|key/],
    ['short', sub { spew($keys, $right =~ s/$hex/substr $hex, 0, 40/er, 0400) },
        qr/64 hex/],
    ['for all to read', sub { spew($keys, $right, 0644) }, qr/chmod 0400/],
    ['for the group', sub { spew($keys, $right, 0440) }, qr/chmod 0400/],
    ['of no hex', sub { spew($keys, $right =~ s/[0-9a-f]{4}\b/zzzz/r, 0400) }, qr/key/],
    ['twice the same', sub { spew($keys, $right . $right, 0400) }, qr/key/])
{
    my ($what, $make, $says) = @$case;

    $make->();
    my ($ok, $said) = tested($good);
    ok !$ok, "T163 a key file $what is refused";
    like $said, $says, "T163 $what: said";
    unlike $said, qr/\Q$hex/,
        "T163 $what: without the key";
    spew($keys, $right, 0400);
}

for my $case (['Redis over TCP without a password',
        'portal_redis 127.0.0.1:6379;', qr/without a password/],
    ['an empty one', 'portal_redis 127.0.0.1:6379 password=;', qr/password/],
    ['a host by name', 'portal_redis localhost:6379 password=x;',
        qr/numeric|address/])
{
    my ($what, $line, $says) = @$case;
    my ($ok, $said) = tested($good =~ s/^\h*portal_redis\b[^;]*;/$line/mr);
    ok !$ok, "T163 $what is refused";
    like $said, $says, "T163 $what: said";
}
# a page says whom it is for, or nginx does not start
for my $line ('portal_page home;', 'portal_get family family;',
    'portal_error;')
{
    my ($ok, $said) = tested($good
        =~ s/^(\s*portal_tenant\s[^;]*;)/$1 location = \/open { $line }/mr);
    ok !$ok, "8.2.1 « $line » without portal_allow is refused";
    like $said, qr/portal_allow/, '8.2.1 said';
}
expect_complaint(qr/\[emerg\] .*portal_allow/);

{
    my ($ok, $said) = tested($good =~ s/^\s*thread_pool [^;]*;//mr);
    ok !$ok, 'passwords without a thread pool are refused';
    like $said, qr/write "thread_pool portal_hash threads=1 max_queue=64;" in the main context.* in \S+:\d+/,
        'and what to write is said';
    expect_complaint(qr/\[emerg\] .*thread pool/);
}
ok +(tested($good))[0], 'T163 and as it was';

# 13.4.1: no repository, whatever lies beside the pages
for my $path ('/.git/HEAD', '/.git/config', '/static/.git/HEAD', '/static/../.git/HEAD',
    '/static/%2e%2e/.git/config', '/.svn/entries', '/.hg/store', '/.gitignore', '/static/.gitignore')
{
    my $r = client()->get($path);
    ok $r->status == 404 || $r->status == 400, "13.4.1 $path" or diag $r->status;
}
is_deeply [grep { /\.(?:git|svn|hg)/ } glob top() . '/src/static/.* ' . top() . '/src/static/*/.*'],
    [], '13.4.1 nor is one among what is served';

# what is shipped writes no debug log and shows no version
for my $file (map { glob top() . "/conf.d/$_" } '*.conf', 'portal/*.conf',
    'portal/*.inc')
{
    my $text = slurp($file);
    unlike $text, qr/^\s*error_log[^;]*\bdebug\b/m, "T161 no debug log: $file";
    unlike $text, qr/^\s*(?:autoindex\s+on|server_tokens\s+on)/m,
        "no list of files, no version: $file";
}

done_testing;
