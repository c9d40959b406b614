#!/usr/bin/perl

# The connection ends within a mail, or after it and before the server has said
# that it has it: the same mail comes again, twice at most, under one Message-ID,
# and its link is good once.

use strict;
use warnings;
use utf8;

use Portal::Outbox;
use Portal::Test;

my $p = portal();

{
    my $to = address();
    $p->mail_fault('cut 1');
    my $id = queue_mail($to);
    becomes($id, 'queued', 'cut in DATA: put off', attempts => 1, detail => qr/^cut$/);
    due();
    becomes($id, 'sent', 'cut in DATA: then sent', attempts => 2);
    is scalar(received($to)), 1, 'cut in DATA: once';
    my $name = row($id)->{message_id};
    is scalar(grep { $_ eq $name } attempts()), 2, 'cut in DATA: one Message-ID';
}

# taken, and nobody knows
$p->mail_fault('cutafter 1');
my ($person, $page) = sign_up(client());
is $page->status, 303, 'one may sign up';
my $id = $p->psql("select id from portal.outbox where recipient = '$person->{email}'");
becomes($id, 'queued', 'cut before the answer: nobody knows', attempts => 1, detail => qr/^cut$/);
is scalar(my @first = received($person->{email})), 1, 'cut before the answer: it has come';
due();
becomes($id, 'sent', 'cut before the answer: sent again', attempts => 2);

# what is due is taken before what is queued now
due();
becomes(queue_mail(address()), 'sent', 'another one, later');
my @got = received($person->{email});
is @got, 2, 'cut before the answer: it came twice, no more';
is $got[0]{id}, $got[1]{id}, 'under one Message-ID, to be told apart by';
is $got[0]{id}, '<' . row($id)->{message_id} . '>', 'its row\'s';
is $got[0]{link}, $got[1]{link}, 'with one link';

my $opens = sub {
    my $c = client();
    my $page = $c->get($_[0]{link});
    my ($form) = grep { /inscription/ } $page->content =~ /<form[^>]* action="([^"]*)"/g;
    return (0, $page) if !$form || $page->content !~ /name="password"/;
    $page = $c->submit($page, { password => $person->{password} });
    return (defined $c->cookie('__Host-portal') ? 1 : 0, $page);
};
is +($opens->($got[0]))[0], 1, 'the link opens the account';
my ($again, $refused) = $opens->($got[1]);
is $again, 0, 'and not a second time, from the other copy';
is $p->psql("select count(*) from portal.account where email = '$person->{email}' and state = 'active'"), 1,
    'there is one account';

done_testing;
