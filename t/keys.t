#!/usr/bin/perl

# A new key, as docs/operating.md says: known to all nodes first, then sealing,
# by two reloads; what was sealed before still opens, nobody is logged out.

use Portal::Test;

use strict;
use warnings;
use utf8;

use MIME::Base64 qw(decode_base64url);

use Portal::Fault;

my $p = portal();
my $keys = $p->keys;
my $tool = top() . '/build/portal-tool';
my $c = signed_in(qr/couple/);
my ($child) = $c->get('/famille')->content =~ m{"(/famille/enfants/\d+)"};
my $before = text($child);
my $check = `$tool -k $keys check`;

# what the page says, without the token that is new each time
sub text { return $c->get($_[0])->text }

# the token of a link is erased once its mail is sent: a copy of each
$p->psql("set client_min_messages = error;
    create table portal.t_kept (recipient text, sealed text);
    create function portal.t_keep() returns trigger language plpgsql security definer
        as 'begin insert into portal.t_kept values (new.recipient, new.token_sealed);
            return new; end';
    create trigger t_keep after insert on portal.outbox
        for each row execute function portal.t_keep()");

# the id of the key that has sealed the mail's token, and what belongs to it
sub sealed_by {
    my ($email) = @_;

    my $d = client();
    my ($person) = sign_up($d, email => $email);
    my $sealed = $p->psql("select sealed from portal.t_kept where recipient = '$email'");

    return (unpack('xC', decode_base64url($sealed)), $d, $person, $sealed);
}

sub run_ {
    my ($command) = @_;

    is system('sh', '-ec', "cd $p->{dir}; $command"), 0, $command =~ s/\s+/ /gr;
    my ($ok, $said) = $p->nginx->test_conf;
    ok $ok, 'nginx -t' or diag $said;
    $p->reload;
}

sub good {
    my ($when) = @_;

    ok wait_for(10, sub { $p->nginx->workers == 2 }), "$when: workers";
    is text($child), $before, "$when: what was sealed before opens, the session lives";
    is `$tool -k $keys check`, $check, "$when: the same check value";
    is signed_in(qr/couple/)->get($child)->status, 200, "$when: log in";
}

is +(sealed_by('un@parents.example'))[0], 1, 'the first key seals';
$p->psql("insert into portal.setting (name, value) values ('key_check', '"
    . ($check =~ /(\w+)/)[0] . "') on conflict do nothing");

my ($written) = Portal::Place::slurp(top() . '/docs/operating.md')
    =~ m{^    (cd /etc/nginx/portal && .*?)^    nginx -t}ms or die 'no commands in docs/operating.md';
$written =~ s{/etc/nginx/portal}{$p->{dir}};
$written =~ s{portal-tool}{$tool}g;

# on a full disk, in a shell that goes on after an error: what cannot be lost is not
{
    my $known = Portal::Place::slurp($keys);
    system 'sh', '-c', "cat() { head -c 40 \"\$1\"; return 1; }\n$written";
    ok Portal::Place::slurp($keys) eq $known, 'a file that could not be written takes no other\'s place';
    Portal::Place::spew($keys, $known, 0400);
}
run_($written);
good('known');
is +(sealed_by('deux@parents.example'))[0], 1, 'the first key still seals';
system "cp $keys $keys.known";

run_("sed 's/^\\(2 .*\\) open\$/\\1/' keys > keys.next
    chmod 0400 keys.next; mv -f keys.next keys");
good('active');
my ($id, $d, $person, $sealed) = sealed_by('trois@parents.example');
is $id, 2, 'the new key seals';
is confirm($d, $person)->status, 303, 'and opens';

# a node that has not reloaded yet opens it too
my ($uuid) = $p->psql("select id from portal.outbox where recipient = 'trois\@parents.example' limit 1");
spew_in("open\tsaint-aubin\toutbox\t$uuid->[0]\ttoken\t$sealed");
like `$tool -k $keys.known batch < $p->{dir}/in`, qr/^[\w-]{43}$/, 'on a node that only knows it';

sub spew_in { Portal::Place::spew("$p->{dir}/in", "$_[0]\n") }

# without the last line, which makes the indexes, it is another file
run_("sed '/^1 /d' keys > keys.next; cp -p keys keys.good
    chmod 0400 keys.next; mv -f keys.next keys");
ok wait_for(10, sub { $p->nginx->workers == 2
    && log_lines(qr/\[crit\].*is not the one of this database/) >= 2 }),
    'the old key is needed: each worker says so';
is client()->get('/inscription/confirmation?jeton=' . 'A' x 43)->status, 503, 'and nothing is done';
run_('mv -f keys.good keys');
ok wait_for(10, sub { monitor('/_etat')->status == 200 }), 'ready again';
good('put back');

done_testing;
