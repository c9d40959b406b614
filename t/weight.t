#!/usr/bin/perl

# What a page weighs on its way to a telephone: the budget of a parent's page,
# and that what only agents need is not in it.

use strict;
use warnings;

use IO::Compress::Gzip qw(gzip $GzipError);
use IO::Uncompress::Gunzip qw(gunzip $GunzipError);

use Portal::Test;

portal();

my ($CSS, $JS, $HTML, $ALL) = (8192, 3072, 15 * 1024, 50 * 1024);

# Captcha and dialog have a file of their own, whose pages have so much more.
my $MORE = 3072;

# a file as small as gzip makes it, a page as nginx does while it goes out
sub packed {
    my ($bytes, $level) = @_;

    gzip(\$bytes => \my $out, -Level => $level // 9, -Minimal => 1) or die $GzipError;

    return length $out;
}

# the addresses of what a page brings with it: (sheets, scripts, images)
sub parts {
    my ($html) = @_;

    return [$html =~ /<link rel="stylesheet" href="([^"]+)"/g],
        [$html =~ /<script\b[^>]* src="([^"]+)"/g],
        [$html =~ /<(?:img\b[^>]* src|link rel="icon" href)="([^"]+)"/g];
}

sub sizes {
    my ($c, @paths) = @_;

    my ($sum, %seen) = 0;
    for my $path (grep { !$seen{$_}++ } @paths) {
        my $r = $c->get($path, forget => 1);
        is $r->status, 200, "$path is there";
        $sum += packed($r->content);
    }

    return $sum;
}

sub weigh {
    my ($name, $c, $path, $js) = @_;

    my $page = $c->get($path);
    is $page->status, 200, $name;
    my ($sheets, $scripts, $images) = parts($page->content);
    is_deeply [grep { m{/(?:agents|letters)\.} } @$sheets, @$scripts], [],
        "$name: nothing of agents";

    my $html = packed($page->content, 1);
    my $css = sizes($c, @$sheets);
    my $code = sizes($c, @$scripts);
    my $all = $html + $css + $code + sizes($c, @$images);

    note "$name: HTML $html, CSS $css, JS $code, all $all";
    cmp_ok scalar @$sheets, '>=', 2, "$name: its sheets";
    cmp_ok scalar @$scripts, '>=', 1, "$name: its scripts";
    cmp_ok $html, '<=', $HTML, "$name: HTML";
    cmp_ok $css, '<=', $CSS, "$name: CSS";
    cmp_ok $code, '<=', $js // $JS, "$name: JS";
    cmp_ok $all, '<=', $ALL, "$name: the first view";
}

my $visitor = client();

weigh('home', $visitor, '/');
weigh('log-in', $visitor, '/connexion');
weigh('sign-up', $visitor, '/inscription', $JS + $MORE);

my ($parent) = parent();
my ($child) = $parent->get('/famille')->content =~ m{href="(/famille/enfants/\d+)"};
my ($section) = $parent->get($child)->content =~ m{href="(\Q$child\E/[\w/-]+)};

weigh('space', $parent, '/mon-espace');
weigh('file', $parent, '/famille');
weigh('child', $parent, $child);
weigh('section', $parent, $section);
weigh('requests', $parent, '/famille/demandes');
weigh('check', $parent, '/famille/verification');
weigh('subscriptions', $parent, '/mes-abonnements', $JS + $MORE);

# and so it goes out
{
    my ($css, $html) = map { my $path = $_; sub {
        $parent->get($path, headers => { 'Accept-Encoding' => 'gzip', @_ }) } } '/static/portal.css', '/famille';

    for my $r ($css->(), $html->(Accept => 'text/html')) {
        is $r->header('content-encoding'), 'gzip', 'compressed';
        like join(' ', $r->headers('vary'), $r->headers('cache-control')), qr/Accept-Encoding|no-store/, 'which caches are told';
        gunzip(\$r->content => \my $plain) or die $GunzipError;
        cmp_ok length $r->content, '<', length($plain) / 2, 'to less than half';
    }

    my $plain = $parent->get('/famille');
    is $plain->header('content-encoding'), undef, 'as it is to who does not ask for that';
    my $json = $parent->get($section, headers => { 'Accept-Encoding' => 'gzip', Accept => 'application/json' });
    is $json->header('content-encoding'), undef, 'and JSON to everybody';
    like $json->header('etag'), qr/^"/, 'whose ETag is a strong one';
}

# agents have both sheets, the theme after them
my ($sheets) = parts(agent_client(as => agent())->get('/')->content);
is_deeply [@$sheets[0, 1]], ['/static/portal.css', '/static/agents.css'],
    'agents have a sheet more';
like $sheets->[2], qr/theme/, 'and the theme after it';

done_testing;
